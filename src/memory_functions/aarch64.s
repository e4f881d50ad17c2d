// memcpy(3), memmove(3), memset(3), memcmp(3), bcmp(3) and strlen(3).
// x0, x1 and x2 are the arguments, x0 is the result. No stack is used.

	.pushsection .text.memory_functions, "ax", @progbits
	.hidden memcpy
	.hidden memmove
	.hidden memset
	.hidden memcmp
	.hidden bcmp
	.hidden strlen
	.weak memcpy
	.weak memmove
	.weak memset
	.weak memcmp
	.weak bcmp
	.weak strlen

// Copies x2 bytes from x1 to x0. At most 64 are read before the first is written, so that the
// ranges may overlap.
	.p2align 4
	.type memcpy, @function
	.type memmove, @function
memcpy:
memmove:
	.cfi_startproc
	add x3, x1, x2
	add x4, x0, x2
2:	cmp x2, #16
	b.hs 20f
	tbnz x2, #3, 8f
	tbnz x2, #2, 4f
	cbz x2, 1f
	// 1 to 3: the first, the middle and the last byte.
	lsr x8, x2, #1
	ldrb w5, [x1]
	ldrb w6, [x1, x8]
	ldrb w7, [x3, #-1]
	strb w5, [x0]
	strb w6, [x0, x8]
	strb w7, [x4, #-1]
1:	ret
4:	ldr w5, [x1]
	ldr w6, [x3, #-4]
	str w5, [x0]
	str w6, [x4, #-4]
	ret
8:	ldr x5, [x1]
	ldr x6, [x3, #-8]
	str x5, [x0]
	str x6, [x4, #-8]
	ret
20:	ldr q0, [x1]
	ldr q1, [x3, #-16]
	cmp x2, #32
	b.hi 30f
	str q0, [x0]
	str q1, [x4, #-16]
	ret
30:	cmp x2, #64
	b.hi 40f
	ldr q2, [x1, #16]
	ldr q3, [x3, #-32]
	str q0, [x0]
	str q2, [x0, #16]
	str q3, [x4, #-32]
	str q1, [x4, #-16]
	ret
	// Forward, unless the target begins within the source. x4 is the end of the target.
40:	sub x5, x0, x1
	cmp x5, x2
	b.lo 50f
	mov x5, x0
41:	ldr q0, [x1], #16
	str q0, [x5], #16
	sub x2, x2, #16
	cmp x2, #16
	b.hs 41b
	// At most 15 are left.
42:	cbz x2, 1b
	ldrb w6, [x1], #1
	strb w6, [x5], #1
	sub x2, x2, #1
	b 42b
	// Backward, 16 bytes at a time; then what is left at the start.
50:	ldr q0, [x3, #-16]!
	str q0, [x4, #-16]!
	sub x2, x2, #16
	cmp x2, #16
	b.hs 50b
	b 2b
	.cfi_endproc
	.size memcpy, . - memcpy
	.size memmove, . - memmove

// Fills x2 bytes at x0 with the low byte of w1.
	.p2align 4
	.type memset, @function
memset:
	.cfi_startproc
	dup v0.16b, w1
	mov x3, x0
	cmp x2, #16
	b.lo 2f
1:	str q0, [x3], #16
	sub x2, x2, #16
	cmp x2, #16
	b.hs 1b
2:	cbz x2, 3f
	strb w1, [x3], #1
	sub x2, x2, #1
	b 2b
3:	ret
	.cfi_endproc
	.size memset, . - memset

// Compares x2 bytes at x0 and x1. Returns the difference of the first two that differ.
	.p2align 4
	.type memcmp, @function
	.type bcmp, @function
memcmp:
bcmp:
	.cfi_startproc
	cmp x2, #8
	b.lo 2f
1:	ldr x3, [x0]
	ldr x4, [x1]
	cmp x3, x4
	b.ne 2f
	add x0, x0, #8
	add x1, x1, #8
	sub x2, x2, #8
	cmp x2, #8
	b.hs 1b
	// At most 7, or 8 of which some differ.
2:	cbz x2, 3f
	ldrb w3, [x0], #1
	ldrb w4, [x1], #1
	sub x2, x2, #1
	subs w5, w3, w4
	b.eq 2b
	mov w0, w5
	ret
3:	mov w0, wzr
	ret
	.cfi_endproc
	.size memcmp, . - memcmp
	.size bcmp, . - bcmp

// Returns the number of bytes before the zero byte at x0. Reads aligned words of 8 bytes, which lie
// in one page with a byte of the string.
	.p2align 4
	.type strlen, @function
strlen:
	.cfi_startproc
	mov x1, x0
1:	tst x1, #7
	b.eq 2f
	ldrb w2, [x1]
	cbz w2, 4f
	add x1, x1, #1
	b 1b
	// (word - 0x01...) & ~word & 0x80... is not 0 if a byte of the word is.
2:	mov x3, #0x0101010101010101
3:	ldr x2, [x1]
	sub x4, x2, x3
	bic x4, x4, x2
	tst x4, #0x8080808080808080
	b.ne 5f
	add x1, x1, #8
	b 3b
5:	ldrb w2, [x1]
	cbz w2, 4f
	add x1, x1, #1
	b 5b
4:	sub x0, x1, x0
	ret
	.cfi_endproc
	.size strlen, . - strlen
	.popsection
