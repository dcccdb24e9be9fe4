// Command sliphost runs handlers compiled to WebAssembly over Kafka topics.
//
// One file holds one command. Standard output carries a command's result and
// nothing else, standard error everything meant for people; the exit codes
// are those of exit.go.
package main

import (
	"context"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run executes one command line and returns its exit code. It uses no global
// state but the environment, the working directory and, in commands that wait,
// the process's signals.
func run(args []string, in io.Reader, out, errw io.Writer) int {
	c := &cli{in: in, out: out, errw: errw}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	cmd, err := root.ExecuteContextC(context.Background())
	return c.report(cmd, err)
}

// cli is where a command reads and writes.
type cli struct {
	in        io.Reader
	out, errw io.Writer
}
