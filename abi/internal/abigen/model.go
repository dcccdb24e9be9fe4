package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// model is abi.toml.
type model struct {
	Major        int      `toml:"major"`
	Minor        int      `toml:"minor"`
	ImportModule string   `toml:"import_module"`
	Exports      []fn     `toml:"export"`
	Imports      []fn     `toml:"import"`
	Enums        []enum   `toml:"enum"`
	Limits       []number `toml:"limit"`
	Progress     struct {
		Magic  string  `toml:"magic"`
		Size   int     `toml:"size"`
		Fields []field `toml:"field"`
	} `toml:"progress"`
	Messages []message `toml:"message"`
}

type fn struct {
	Name       string   `toml:"name"`
	Params     []string `toml:"params"`
	Result     string   `toml:"result"`
	Calls      []string `toml:"calls"`
	Capability string   `toml:"capability"`
	Doc        string   `toml:"doc"`
}

type enum struct {
	Name       string   `toml:"name"`
	Title      string   `toml:"title"`
	Doc        string   `toml:"doc"`
	GoType     string   `toml:"go_type"`
	GoPrefix   string   `toml:"go_prefix"`
	RustPrefix string   `toml:"rust_prefix"`
	RustType   string   `toml:"rust_type"`
	Values     []number `toml:"values"`
}

type number struct {
	Name  string `toml:"name"`
	Value int64  `toml:"value"`
	Doc   string `toml:"doc"`
}

type message struct {
	Name   string  `toml:"name"`
	Title  string  `toml:"title"`
	From   string  `toml:"from"`
	Min    int     `toml:"min"`
	Repeat int     `toml:"repeat"`
	Fields []field `toml:"fields"`
}

type field struct {
	Name   string `toml:"name"`
	Type   string `toml:"type"`
	At     int    `toml:"at"`
	Writer string `toml:"writer"`
	Doc    string `toml:"doc"`
}

func readModel(path string) (*model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var m model
	if err := toml.NewDecoder(f).DisallowUnknownFields().Decode(&m); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return nil, fmt.Errorf("%s: unknown keys\n%s", path, strict.String())
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, m.validate()
}

// validate refuses what would generate code that compiles and is wrong.
func (m *model) validate() error {
	kinds := map[string]bool{"describe": true, "init": true}
	for _, e := range m.Enums {
		seen := map[int64]string{}
		for _, v := range e.Values {
			if other := seen[v.Value]; other != "" {
				return fmt.Errorf("enum %s: %s and %s are both %d", e.Name, other, v.Name, v.Value)
			}
			seen[v.Value] = v.Name
			if e.Name == "Kind" {
				kinds[strings.ToLower(v.Name)] = true
			}
		}
	}
	for _, f := range m.Imports {
		for _, c := range f.Calls {
			if !kinds[c] {
				return fmt.Errorf("import %s: no call %q", f.Name, c)
			}
		}
		if _, err := signature(f); err != nil {
			return err
		}
	}
	return nil
}

// signature is a function's wasm type with one letter a value.
func signature(f fn) (params string, err error) {
	for _, p := range f.Params {
		_, typ, ok := strings.Cut(p, " ")
		c := letter(typ)
		if !ok || c == "" {
			return "", fmt.Errorf("%s: parameter %q is not NAME TYPE", f.Name, p)
		}
		params += c
	}
	if f.Result != "" && letter(f.Result) == "" {
		return "", fmt.Errorf("%s: result %q is no wasm type", f.Name, f.Result)
	}
	return params, nil
}

func letter(wasmType string) string {
	switch wasmType {
	case "i32":
		return "i"
	case "i64":
		return "I"
	case "f64":
		return "F"
	}
	return ""
}
