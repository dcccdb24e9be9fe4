package main

import (
	"errors"
	"strconv"
	"strings"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	accounts = slip.Cache("accounts")
	moves    = slip.Cache("moves")
)

func init() { slip.Handle("bank", bank, accounts, moves) }

// bank moves amounts between accounts, all or nothing.
func bank(c *slip.Call, rec slip.Record) error {
	words := strings.Split(string(rec.Value), " ")
	if len(words) < 3 {
		return errors.New("unknown command: " + string(rec.Value))
	}
	n, err := strconv.ParseInt(words[len(words)-1], 10, 64)
	if err != nil {
		return err
	}
	from, to := words[1], words[2:len(words)-1]
	switch {
	case words[0] == "deposit" && len(to) == 0:
		if _, err := accounts.AddInt(c, []byte(from), n); err != nil {
			return err
		}
		return balances(c, from)
	case (words[0] == "move" || words[0] == "must") && len(to) == 1:
		if _, err := moves.AddInt(c, []byte(from), 1); err != nil {
			return err
		}
		if err := move(c, from, to[0], n); err != nil {
			if words[0] == "must" {
				return err
			}
			c.Emit([]byte(from), []byte("refused: "+err.Error()))
			return nil
		}
		return balances(c, from, to[0])
	case words[0] == "split" && len(to) == 2:
		err := accounts.Transaction(c, []byte(from), func() error {
			_ = move(c, from, to[0], n)
			_ = move(c, from, to[1], n)
			return nil
		})
		if err != nil {
			return err
		}
		return balances(c, from, to[0], to[1])
	case words[0] == "undo" && len(to) == 1:
		err := accounts.Transaction(c, []byte(from), func() error {
			if err := move(c, from, to[0], n); err != nil {
				return err
			}
			return errors.New("undone")
		})
		c.Emit([]byte(from), []byte("refused: "+err.Error()))
		return nil
	}
	return errors.New("unknown command: " + string(rec.Value))
}

// move finds an overdraft only after the first of its two writes.
func move(c *slip.Call, from, to string, n int64) error {
	return accounts.Transaction(c, []byte(from), func() error {
		left, err := accounts.AddInt(c, []byte(from), -n)
		if err != nil {
			return err
		}
		if left < 0 {
			return errors.New("overdraft: " + from + " has " + string(text(left+n)) + ", " + string(text(n)) + " wanted")
		}
		_, err = accounts.AddInt(c, []byte(to), n)
		return err
	})
}

func balances(c *slip.Call, names ...string) error {
	for _, name := range names {
		n, _, err := accounts.GetInt(c, []byte(name))
		if err != nil {
			return err
		}
		c.Emit([]byte(name), text(n))
	}
	return nil
}
