/* Makes one call of cfr_copy with the options that its arguments name, and prints what came of it.
 *
 *     copy_with_options IN OUT LEN FLAGS [OPTION=VALUE]...
 *
 * Prints `RESULT ERRNO bytes=N error=N method=NAME shared=N flags=N rule=ID dialect=NAME`, and on a
 * second line the text of the rule, if there is one. */
#include <cfr.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *value(const char *word, const char *name)
{
	size_t len = strlen(name);
	return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

int main(int argc, char **argv)
{
	struct cfr_options options = { sizeof options, NULL, 0, 0, 0, 0, 0, 0 };
	struct cfr_outcome outcome = { sizeof outcome, 0, 0, 0, 0, 0, "", "" };
	int64_t from = 0, to = 0;
	int in, out, i;
	char text[300];
	if (argc < 5)
		return 2;
	in = open(argv[1], O_RDONLY);
	out = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (in < 0 || out < 0) {
		perror("open");
		return 1;
	}
	for (i = 5; i < argc; i++) {
		const char *number;
		if ((number = value(argv[i], "dialect")) != NULL)
			options.dialect = number;
		else if ((number = value(argv[i], "backend")) != NULL)
			options.backend = atoi(number);
		else if ((number = value(argv[i], "checks")) != NULL)
			options.checks = atoi(number);
		else if ((number = value(argv[i], "verify")) != NULL)
			options.verify = atoi(number);
		else if ((number = value(argv[i], "shared")) != NULL)
			options.shared = atoi(number);
		else if ((number = value(argv[i], "else_copy")) != NULL)
			options.else_copy = atoi(number);
		else if ((number = value(argv[i], "reserved")) != NULL)
			options.reserved = atoi(number);
		else if ((number = value(argv[i], "off_in")) != NULL)
			from = atoll(number);
		else
			return 2;
	}
	errno = 0;
	ssize_t copied = cfr_copy(in, &from, out, &to, strtoull(argv[3], NULL, 10),
				  (unsigned int)strtoul(argv[4], NULL, 0), &options, &outcome);
	printf("%zd %d bytes=%llu error=%d method=%s shared=%d flags=%u rule=%s dialect=%s\n", copied,
	       errno, (unsigned long long)outcome.bytes, outcome.error, cfr_method_name(outcome.method),
	       outcome.shared, outcome.flags, outcome.rule, outcome.dialect);
	if (cfr_rule_text(outcome.dialect, outcome.rule, text, sizeof text) != NULL)
		puts(text);
	return 0;
}
