package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// benchDocs returns the documents to measure with: the sample lines, and all
// lines of each .ndjson file in the directory SLIPHOST_DATA, if that is set.
func benchDocs(b *testing.B) map[string][][]byte {
	docs := map[string][][]byte{"order340": {[]byte(order340)}}
	for i, name := range []string{"flight", "earthquake", "weather", "airport"} {
		docs[name] = [][]byte{[]byte(sampleLines[i])}
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("SLIPHOST_DATA"), "*.ndjson"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		docs[filepath.Base(f)] = bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	}
	return docs
}

func BenchmarkJSONDecode(b *testing.B) {
	for name, docs := range benchDocs(b) {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, 64<<10)
			total, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				doc := docs[i]
				if _, err := (JSON{}).Decode(dst, doc); err != nil {
					b.Fatal(err)
				}
				total += len(doc)
				if i++; i == len(docs) {
					i = 0
				}
			}
			b.SetBytes(int64(total / b.N))
		})
	}
}

func BenchmarkJSONEncode(b *testing.B) {
	for name, docs := range benchDocs(b) {
		b.Run(name, func(b *testing.B) {
			msgs := make([][]byte, len(docs))
			for i, doc := range docs {
				msg, err := (JSON{}).Decode(nil, doc)
				if err != nil {
					b.Fatal(err)
				}
				msgs[i] = msg
			}
			dst := make([]byte, 0, 64<<10)
			total, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				out, err := JSON{}.Encode(dst, msgs[i])
				if err != nil {
					b.Fatal(err)
				}
				total += len(out)
				if i++; i == len(docs) {
					i = 0
				}
			}
			b.SetBytes(int64(total / b.N))
		})
	}
}

// BenchmarkJSONValid is what encoding/json needs to only check the document.
func BenchmarkJSONValid(b *testing.B) {
	doc := []byte(order340)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if !json.Valid(doc) {
			b.Fatal("invalid")
		}
	}
}

// BenchmarkJSONManyNames decodes an object of 100,000 names, where comparing
// each with each would take minutes.
func BenchmarkJSONManyNames(b *testing.B) {
	doc := []byte("{")
	for i := range 100_000 {
		doc = fmt.Appendf(doc, `"name %d":%d,`, i, i)
	}
	doc[len(doc)-1] = '}'
	dst := make([]byte, 0, len(doc))
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if _, err := (JSON{}).Decode(dst, doc); err != nil {
			b.Fatal(err)
		}
	}
}
