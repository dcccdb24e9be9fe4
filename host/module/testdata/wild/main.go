// Command wild is a Go guest that does what handlers should not do, one thing
// a value; host/module tests what becomes of it.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	slip "github.com/sliphost/sliphost/sdk/go"
)

func init() { slip.Handle("wild", wild) }

func main() {}

var (
	kept   [][]byte
	empty  map[string]int
	number *int
)

func wild(c *slip.Call, rec slip.Record) error {
	what, arg, _ := strings.Cut(string(rec.Value), " ")
	n, _ := strconv.Atoi(arg)
	switch what {
	case "index":
		_ = arg[len(rec.Key)+n]
	case "nil-map":
		empty["x"] = 1
	case "nil-pointer":
		n = *number
	case "error":
		panic(errors.New("an error\nof two lines"))
	case "library":
		strings.Repeat("x", -1)
	case "exit":
		os.Exit(n)
	case "deadlock":
		select {}
	case "goroutine":
		go func() { panic("in a goroutine") }()
		time.Sleep(time.Second)
	case "recursion":
		c.Emit(nil, strconv.AppendInt(nil, int64(deep(n)), 10))
	case "memory":
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case "print":
		fmt.Print("no line end")
		fmt.Fprintln(os.Stderr, "to stderr\x1b[2J")
	case "sleep":
		start := time.Now()
		time.Sleep(time.Duration(n) * time.Second)
		// Monotonic time went on, wall time is the record's.
		c.Emit(nil, []byte(time.Since(start).Truncate(time.Second).String()+" "+time.Now().UTC().Format(time.RFC3339Nano)))
	case "file":
		_, err := os.Open("/etc/passwd")
		c.Emit(nil, []byte(err.Error()))
	case "environment":
		c.Emit(nil, []byte(fmt.Sprint(len(os.Args), len(os.Environ()))))
	case "stdin":
		m, err := os.Stdin.Read(make([]byte, 8))
		c.Emit(nil, []byte(fmt.Sprint(m, err)))
	}
	return nil
}

func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}
