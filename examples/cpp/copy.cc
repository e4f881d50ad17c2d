// copy SOURCE TARGET: shares the blocks of SOURCE where the filesystem can, else copies them, and says
// which it was. C++11.
//
//     c++ copy.cc $(pkg-config --cflags --libs cfr) -o copy
#include <cfr.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <iostream>
#include <set>
#include <string>
#include <system_error>

namespace {

class File {
public:
    File(const char *path, int flags) : descriptor(open(path, flags, 0666)) {
        if (descriptor < 0)
            throw std::system_error(errno, std::generic_category(), path);
    }
    ~File() {
        if (descriptor >= 0)
            ::close(descriptor);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    int get() const { return descriptor; }

    // Reports what the disk could not keep; a destructor cannot.
    void close() {
        int closed = descriptor;
        descriptor = -1;
        if (::close(closed) < 0)
            throw std::system_error(errno, std::generic_category(), "close");
    }

private:
    int descriptor;
};

} // namespace

int main(int argc, char **argv) try {
    if (argc != 3) {
        std::cerr << "usage: copy SOURCE TARGET\n";
        return 2;
    }
    File in(argv[1], O_RDONLY), out(argv[2], O_WRONLY | O_CREAT | O_TRUNC);

    // {} makes every other member 0: the setting of the process. The structs say their sizes, so a
    // newer library knows which members this program has.
    cfr_options options{};
    options.size = sizeof options;
    options.else_copy = CFR_YES;
    cfr_outcome outcome{};
    outcome.size = sizeof outcome;

    std::uint64_t bytes = 0;
    std::set<std::string> methods;
    for (;;) {
        ssize_t n = cfr_copy(in.get(), nullptr, out.get(), nullptr, std::size_t{1} << 30,
                             COPY_FR_REFLINK, &options, &outcome);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            throw std::system_error(errno, std::generic_category(), argv[2]);
        if (n == 0)
            break;
        bytes += static_cast<std::uint64_t>(n);
        methods.insert(cfr_method_name(outcome.method));
    }
    out.close();

    std::cout << bytes << " bytes:";
    for (const std::string &method : methods)
        std::cout << ' ' << method;
    std::cout << '\n';
    return 0;
} catch (const std::system_error &error) {
    std::cerr << "copy: " << error.what() << '\n';
    return 1;
}
