package main

import (
	"errors"
	"strconv"
	"strings"

	slip "github.com/sliphost/sliphost/sdk/go"
)

// input is what the handlers need of an input's value.
type input struct {
	id, n int64
	mark  string
}

// parse reads "ID N MARK ...".
func parse(value []byte) (in input, err error) {
	fields := strings.SplitN(string(value), " ", 4)
	if len(fields) < 3 {
		return in, errors.New("the value is no \"ID N MARK ...\"")
	}
	if in.id, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
		return in, err
	}
	in.n, err = strconv.ParseInt(fields[1], 10, 64)
	in.mark = fields[2]
	return in, err
}

// line writes numbers with spaces between them.
func line(numbers ...int64) []byte {
	var b []byte
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return b
}

// add counts id into the "COUNT SUM" under key and returns both.
func add(c *slip.Call, cache *slip.CacheRef, key []byte, id int64) (count, sum int64, err error) {
	old, ok, err := cache.Get(c, key)
	if err != nil {
		return 0, 0, err
	}
	if ok {
		first, second, found := strings.Cut(string(old), " ")
		if !found {
			return 0, 0, errors.New("cache " + cache.Name() + " holds no \"COUNT SUM\"")
		}
		if count, err = strconv.ParseInt(first, 10, 64); err != nil {
			return 0, 0, err
		}
		if sum, err = strconv.ParseInt(second, 10, 64); err != nil {
			return 0, 0, err
		}
	}
	count, sum = count+1, sum+id
	return count, sum, cache.Put(c, key, line(count, sum))
}
