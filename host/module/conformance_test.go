package module

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/abi/vectors"
)

// vector is one of the ABI's byte vectors, the short way: read hex, write what
// was read, compare with canon; or refuse.
type vector struct {
	Name, Message, Class, Hex, Canon string
}

// readVectors reads every file of vectors.
func readVectors(t *testing.T) (all []vector) {
	t.Helper()
	files, err := fs.Glob(vectors.Files, "*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files of vectors, %v", len(files), err)
	}
	for _, name := range files {
		b, err := vectors.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var v []vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v...)
	}
	return all
}

// TestConformance runs the ABI's vectors through the codec of each SDK inside
// a module, so that what is special to 32 bits is covered.
func TestConformance(t *testing.T) {
	all := readVectors(t)
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "all", Limits{}), bound("conformance"), Hooks{})
			counts := map[string]int{}
			for _, v := range all {
				counts[v.Class]++
				wire, err := hex.DecodeString(v.Hex)
				if err != nil {
					t.Fatal(err)
				}
				head, records := encode([]input{{value: append([]byte(v.Message+"\n"), wire...)}})
				reply, _, err := s.Process(t.Context(), 0, 1, head, records)
				if err != nil {
					t.Fatalf("%s, %s: %v", v.Message, v.Name, err)
				}
				got, problem := conformanceAnswer(reply)
				refused := strings.HasPrefix(string(got), "error")
				switch {
				case problem != "":
					t.Errorf("%s, %s (%s): %s", v.Message, v.Name, v.Class, problem)
				case v.Class == "reject":
					if !refused {
						t.Errorf("%s, %s: % x is read as % x", v.Message, v.Name, wire, got)
					}
				case hex.EncodeToString(got) != v.Canon:
					t.Errorf("%s, %s (%s): written as %.300q, want %.600s", v.Message, v.Name, v.Class, got, v.Canon)
				}
			}
			t.Log(counts)
		})
	}
}

// conformanceAnswer is the only output's value.
func conformanceAnswer(reply []byte) (value []byte, problem string) {
	r := abi.NewReader(reply)
	var res abi.Result
	var out abi.Output
	abi.ReadResult(&r, &res)
	if res.Status == abi.StatusError {
		return nil, string(res.Message)
	}
	for range res.Outputs {
		abi.ReadOutput(&r, &out)
	}
	abi.EndResult(&r, &res)
	if r.Err() != nil || res.Outputs != 1 {
		return nil, "no single output"
	}
	return out.Value, ""
}
