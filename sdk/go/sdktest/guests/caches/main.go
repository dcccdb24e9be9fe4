// Command caches repeats calls about caches, for measuring what one takes.
package main

import slip "github.com/sliphost/sliphost/sdk/go"

var (
	cache = slip.Cache("cache")
	times = slip.IntParam("times", 100, "calls per record")
)

func main() {}

func init() {
	slip.Handle("get", repeat(func(c *slip.Call, key, _ []byte) error {
		_, _, err := cache.Get(c, key)
		return err
	}), cache, times)
	slip.Handle("put", repeat(func(c *slip.Call, key, value []byte) error {
		return cache.Put(c, key, value)
	}), cache, times)
	slip.Handle("add", repeat(func(c *slip.Call, key, _ []byte) error {
		_, err := cache.AddInt(c, key, 1)
		return err
	}), cache, times)
	slip.Handle("time", repeat(func(c *slip.Call, _, _ []byte) error {
		c.StreamTime()
		return nil
	}), cache, times)
	slip.Handle("scan", repeat(func(c *slip.Call, _, _ []byte) error {
		for range cache.Items(c, slip.All()) {
		}
		return nil
	}), cache, times)
}

func repeat(f func(c *slip.Call, key, value []byte) error) slip.Func {
	return func(c *slip.Call, rec slip.Record) error {
		for range times.Get(c) {
			if err := f(c, rec.Key, rec.Value); err != nil {
				return err
			}
		}
		return nil
	}
}
