package embedded

import (
	"encoding/binary"
	"slices"
	"testing"
)

// FuzzRequests reads a stream whole and cut in two: both have the same requests.
func FuzzRequests(f *testing.F) {
	stream := func(bodies ...string) (s []byte) {
		for _, b := range bodies {
			s = append(binary.BigEndian.AppendUint32(s, uint32(len(b))), b...)
		}
		return s
	}
	f.Add(stream("\x00\x0babc", "\x00\x0c", "\x00\x0bdefgh"), 7)
	f.Add(stream("\x00\x0babc", "\x00\x0c", "\x00\x0bdefgh"), 3)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 11, 0, 0}, 5)
	f.Fuzz(func(t *testing.T, s []byte, cut int) {
		cut = max(0, min(cut, len(s)))
		var once, twice []int16
		var a, b requests
		a.take(s, func(key int16) { once = append(once, key) })
		b.take(s[:cut], func(key int16) { twice = append(twice, key) })
		b.take(s[cut:], func(key int16) { twice = append(twice, key) })
		if !slices.Equal(once, twice) {
			t.Fatalf("%v, cut at %d %v", once, cut, twice)
		}
	})
}

func TestRequestsAreFound(t *testing.T) {
	var got []int16
	var r requests
	for _, c := range []byte("\x00\x00\x00\x05\x00\x0babc\x00\x00\x00\x02\x00\x0c\x00\x00\x00\x07\x00\x0bdefgh\x00\x00\x00\x09\x00\x0b") {
		r.take([]byte{c}, func(key int16) { got = append(got, key) })
	}
	if want := []int16{11, 12, 11}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v: the last is not whole", got, want)
	}
}
