// memcpy(3), memmove(3), memset(3), memcmp(3), bcmp(3) and strlen(3), in Intel syntax.
// rdi, rsi and rdx are the arguments, rax is the result. No stack is used.

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

// Copies rdx bytes from rsi to rdi. At most 64 are read before the first is written, so that the
// ranges may overlap.
	.p2align 4
	.type memcpy, @function
	.type memmove, @function
memcpy:
memmove:
	.cfi_startproc
	mov rax, rdi
2:	cmp rdx, 16
	jae 20f
	cmp edx, 8
	jae 8f
	cmp edx, 4
	jae 4f
	test edx, edx
	je 1f
	// 1 to 3: the first, the middle and the last byte.
	mov r11, rdx
	shr r11, 1
	movzx ecx, byte ptr [rsi]
	movzx r8d, byte ptr [rsi + r11]
	movzx r9d, byte ptr [rsi + rdx - 1]
	mov byte ptr [rdi], cl
	mov byte ptr [rdi + r11], r8b
	mov byte ptr [rdi + rdx - 1], r9b
1:	ret
4:	mov ecx, dword ptr [rsi]
	mov r8d, dword ptr [rsi + rdx - 4]
	mov dword ptr [rdi], ecx
	mov dword ptr [rdi + rdx - 4], r8d
	ret
8:	mov rcx, qword ptr [rsi]
	mov r8, qword ptr [rsi + rdx - 8]
	mov qword ptr [rdi], rcx
	mov qword ptr [rdi + rdx - 8], r8
	ret
20:	movups xmm0, xmmword ptr [rsi]
	movups xmm1, xmmword ptr [rsi + rdx - 16]
	cmp rdx, 32
	ja 30f
	movups xmmword ptr [rdi], xmm0
	movups xmmword ptr [rdi + rdx - 16], xmm1
	ret
30:	cmp rdx, 64
	ja 40f
	movups xmm2, xmmword ptr [rsi + 16]
	movups xmm3, xmmword ptr [rsi + rdx - 32]
	movups xmmword ptr [rdi], xmm0
	movups xmmword ptr [rdi + 16], xmm2
	movups xmmword ptr [rdi + rdx - 32], xmm3
	movups xmmword ptr [rdi + rdx - 16], xmm1
	ret
	// Forward, unless the target begins within the source. The end is read first: it may be
	// overwritten before the loop gets there.
40:	mov rcx, rdi
	sub rcx, rsi
	cmp rcx, rdx
	jb 50f
	movups xmm3, xmmword ptr [rsi + rdx - 32]
	xor ecx, ecx
	sub rdx, 32
41:	movups xmm0, xmmword ptr [rsi + rcx]
	movups xmm2, xmmword ptr [rsi + rcx + 16]
	movups xmmword ptr [rdi + rcx], xmm0
	movups xmmword ptr [rdi + rcx + 16], xmm2
	add rcx, 32
	cmp rcx, rdx
	jb 41b
	movups xmmword ptr [rdi + rdx], xmm3
	movups xmmword ptr [rdi + rdx + 16], xmm1
	ret
	// Backward, 16 bytes at a time; then what is left at the start.
50:	movups xmm0, xmmword ptr [rsi + rdx - 16]
	movups xmmword ptr [rdi + rdx - 16], xmm0
	sub rdx, 16
	cmp rdx, 16
	jae 50b
	jmp 2b
	.cfi_endproc
	.size memcpy, . - memcpy
	.size memmove, . - memmove

// Fills rdx bytes at rdi with sil.
	.p2align 4
	.type memset, @function
memset:
	.cfi_startproc
	mov rax, rdi
	movzx esi, sil
	movabs rcx, 0x0101010101010101
	imul rcx, rsi
	cmp rdx, 8
	jb 4f
	cmp rdx, 16
	ja 20f
	mov qword ptr [rdi], rcx
	mov qword ptr [rdi + rdx - 8], rcx
	ret
4:	cmp edx, 4
	jb 1f
	mov dword ptr [rdi], ecx
	mov dword ptr [rdi + rdx - 4], ecx
	ret
	// 0 to 3: the first, the last and the middle byte.
1:	test edx, edx
	je 2f
	mov byte ptr [rdi], cl
	mov byte ptr [rdi + rdx - 1], cl
	shr edx, 1
	mov byte ptr [rdi + rdx], cl
2:	ret
20:	movq xmm0, rcx
	punpcklqdq xmm0, xmm0
	lea rdx, [rdi + rdx - 16]
21:	movups xmmword ptr [rdi], xmm0
	add rdi, 16
	cmp rdi, rdx
	jb 21b
	movups xmmword ptr [rdx], xmm0
	ret
	.cfi_endproc
	.size memset, . - memset

// Compares rdx bytes at rdi and rsi. Returns a number with the sign of the difference of the first
// two that differ.
	.p2align 4
	.type memcmp, @function
	.type bcmp, @function
memcmp:
bcmp:
	.cfi_startproc
	cmp rdx, 16
	jae 20f
	cmp edx, 8
	jae 8f
	cmp edx, 4
	jae 4f
1:	test edx, edx
	je 2f
	movzx eax, byte ptr [rdi]
	movzx ecx, byte ptr [rsi]
	add rdi, 1
	add rsi, 1
	sub edx, 1
	sub eax, ecx
	je 1b
	ret
2:	xor eax, eax
	ret
	// The first and the last 4, or 8, or 16, which may overlap.
4:	mov eax, dword ptr [rdi]
	mov ecx, dword ptr [rsi]
	cmp eax, ecx
	jne 5f
	mov eax, dword ptr [rdi + rdx - 4]
	mov ecx, dword ptr [rsi + rdx - 4]
	cmp eax, ecx
	je 2b
5:	bswap eax
	bswap ecx
	cmp eax, ecx
	sbb eax, eax
	or eax, 1
	ret
8:	mov rax, qword ptr [rdi]
	mov rcx, qword ptr [rsi]
	cmp rax, rcx
	jne 9f
	mov rax, qword ptr [rdi + rdx - 8]
	mov rcx, qword ptr [rsi + rdx - 8]
	cmp rax, rcx
	je 2b
9:	bswap rax
	bswap rcx
	cmp rax, rcx
	sbb eax, eax
	or eax, 1
	ret
20:	xor ecx, ecx
	sub rdx, 16
21:	movups xmm0, xmmword ptr [rdi + rcx]
	movups xmm1, xmmword ptr [rsi + rcx]
	pcmpeqb xmm0, xmm1
	pmovmskb eax, xmm0
	xor eax, 0xffff
	jne 30f
	add rcx, 16
	cmp rcx, rdx
	jb 21b
	mov rcx, rdx
	movups xmm0, xmmword ptr [rdi + rcx]
	movups xmm1, xmmword ptr [rsi + rcx]
	pcmpeqb xmm0, xmm1
	pmovmskb eax, xmm0
	xor eax, 0xffff
	jne 30f
	ret
30:	bsf eax, eax
	add rcx, rax
	movzx eax, byte ptr [rdi + rcx]
	movzx ecx, byte ptr [rsi + rcx]
	sub eax, ecx
	ret
	.cfi_endproc
	.size memcmp, . - memcmp
	.size bcmp, . - bcmp

// Returns the number of bytes before the zero byte at rdi. Reads aligned blocks of 16 bytes, which
// lie in one page with a byte of the string.
	.p2align 4
	.type strlen, @function
strlen:
	.cfi_startproc
	mov rdx, rdi
	and rdx, -16
	mov ecx, edi
	and ecx, 15
	pxor xmm1, xmm1
	movdqa xmm0, xmmword ptr [rdx]
	pcmpeqb xmm0, xmm1
	pmovmskb eax, xmm0
	// Without the bytes before the string.
	shr eax, cl
	test eax, eax
	jne 2f
1:	add rdx, 16
	movdqa xmm0, xmmword ptr [rdx]
	pcmpeqb xmm0, xmm1
	pmovmskb eax, xmm0
	test eax, eax
	je 1b
	bsf eax, eax
	sub rdx, rdi
	add rax, rdx
	ret
2:	bsf eax, eax
	ret
	.cfi_endproc
	.size strlen, . - strlen
	.popsection
