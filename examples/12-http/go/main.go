// Command go is the module of example 12: deliveries are posted over HTTP, and
// what is in stock is told to whoever follows the cache.
package main

import (
	"errors"
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var stock = slip.Cache("stock")

func init() {
	slip.Handle("receive", receive, slip.Stateless())
	slip.Handle("count", count, stock)
}

func main() {}

// receive checks a delivery and groups it by its item.
func receive(c *slip.Call, rec slip.Record) error {
	item, n := rec.Doc().Get("item").Str(), rec.Doc().Get("n").Int()
	if item == "" || n <= 0 {
		return errors.New("a delivery has an item and a number above 0")
	}
	c.Emit([]byte(item), []byte(strconv.FormatInt(n, 10)))
	return nil
}

// count adds a delivery to what is in stock.
func count(c *slip.Call, rec slip.Record) error {
	before, err := stock.GetOr(c, rec.Key, []byte("0"))
	if err != nil {
		return err
	}
	a, err := strconv.Atoi(string(before))
	if err != nil {
		return err
	}
	b, err := strconv.Atoi(string(rec.Value))
	if err != nil {
		return err
	}
	return stock.Put(c, rec.Key, []byte(strconv.Itoa(a+b)))
}
