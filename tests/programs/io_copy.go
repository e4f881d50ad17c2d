// Copies a file by io.Copy, which makes the system call by instruction: io_copy FROM TO.
package main

import (
	"io"
	"os"
)

func main() {
	from, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	to, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		panic(err)
	}
}
