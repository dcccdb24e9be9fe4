package boot

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

const changedManifest = `version = 1
name = "t"
[topic.in]
[cache.counts]
key = "string"
[module.m]
path = "m.wasm"
[handler.h]
source = ["in"]
cache = ["counts"]
`

// committedMeta is what the engine commits beside an offset: the identities of
// the task's topics, in and in2, and the position of the changelog of counts, if
// log is not 0.
func committedMeta(identity, log uint32, next uint64) string {
	hash := func(name string) uint32 {
		h := fnv.New32a()
		h.Write([]byte(name))
		return h.Sum32()
	}
	b := binary.AppendVarint(nil, -1)
	b = append(b, 2)
	for _, topic := range []string{"in", "in2"} {
		b = binary.LittleEndian.AppendUint32(b, hash(topic))
		b = binary.LittleEndian.AppendUint32(b, identity)
	}
	if log == 0 {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = binary.LittleEndian.AppendUint32(b, hash("counts"))
		b = binary.LittleEndian.AppendUint32(b, log)
		b = binary.AppendUvarint(b, next)
	}
	b = append(b, 0)
	return "slip1." + base64.RawStdEncoding.EncodeToString(b)
}

// replayMeta is committedMeta(7, 9, 20) of an offset at which a checkpoint has
// gone back: records below until come again.
func replayMeta(until uint64) string {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(committedMeta(7, 9, 20), "slip1."))
	if err != nil {
		panic(err)
	}
	b = append(binary.AppendUvarint(b, until), 0)
	return "slip1." + base64.RawStdEncoding.EncodeToString(b)
}

// changedBuild is changedManifest, with more at its end, as it is once the
// broker was asked: both topics are there with one partition.
func changedBuild(t *testing.T, more string) *Build {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.toml")
	if err := os.WriteFile(path, []byte(changedManifest+more), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Build{
		Manifest: m, Sources: m.Handlers[0].Sources,
		Plan: &host.Plan{
			Sources: []host.Source{{ID: "in", Kind: host.SourceTopic, Topic: "in", Identity: 7}},
			Subs:    []host.Sub{{Name: "h", Inputs: []int{0}, Caches: []int{0}}},
			Caches:  []host.Cache{{ID: "counts", Topic: "t-counts-changelog", Log: 9, Partitions: 1}},
		},
	}
}

func TestChangesFromOutsideAreToldBeforehand(t *testing.T) {
	in, log := kafka.TopicPartition{Topic: "in"}, kafka.TopicPartition{Topic: "t-counts-changelog"}
	whole := abi.Bounds{Low: 0, LastStable: 20, High: 20}
	for name, tc := range map[string]struct {
		offset   int64
		meta     string
		in, log  abi.Bounds
		noLog    bool
		manifest string
		code     manifest.Code
		level    manifest.Level
		text     string
	}{
		"nothing":             {offset: 10, meta: committedMeta(7, 9, 20), in: whole, log: whole},
		"first start":         {offset: abi.OffsetNone, in: whole, log: abi.Bounds{}},
		"first start, no log": {offset: abi.OffsetNone, in: whole, noLog: true},
		"recreated": {
			offset: 10, meta: committedMeta(8, 9, 20), in: whole, log: whole,
			code: manifest.CodeTopicRecreated, level: manifest.LevelError, text: "deleted and made anew",
		},
		"shortened": {
			offset: 21, meta: committedMeta(7, 9, 20), in: whole, log: whole,
			code: manifest.CodeTopicRecreated, level: manifest.LevelError, text: "the committed offset 21 lies behind the end 20",
		},
		"shortened, with a policy": {
			offset: 21, meta: committedMeta(7, 9, 20), in: whole, log: whole, manifest: "[on_change]\ntopic_recreated = \"restart\"\n",
			code: manifest.CodeTopicRecreated, level: manifest.LevelWarning, text: "21",
		},
		"retention": {
			offset: 4, meta: committedMeta(7, 9, 20), in: abi.Bounds{Low: 5, LastStable: 20, High: 20}, log: whole,
			code: manifest.CodeRecordsGone, level: manifest.LevelError, text: "records 4 to 4 were deleted",
		},
		"retention, in what comes again": {
			offset: 2, meta: replayMeta(5), in: abi.Bounds{Low: 5, LastStable: 20, High: 20}, log: whole,
		},
		"retention, behind what comes again": {
			offset: 2, meta: replayMeta(4), in: abi.Bounds{Low: 5, LastStable: 20, High: 20}, log: whole,
			code: manifest.CodeRecordsGone, level: manifest.LevelError, text: "records 4 to 4 were deleted",
		},
		"offset set by hand": {
			offset: 10, in: whole, log: whole,
			code: manifest.CodeOffsetsReset, level: manifest.LevelError, text: "do not say how many",
		},
		"offsets expired": {
			offset: abi.OffsetNone, in: whole, log: whole,
			code: manifest.CodeOffsetsReset, level: manifest.LevelError, text: "have expired",
		},
		"changelog cut": {
			offset: 10, meta: committedMeta(7, 9, 21), in: whole, log: whole,
			code: manifest.CodeChangelogGone, level: manifest.LevelError, text: "offset 21 was committed, the log ends at 20",
		},
		"changelog recreated": {
			offset: 10, meta: committedMeta(7, 10, 5), in: whole, log: whole,
			code: manifest.CodeChangelogGone, level: manifest.LevelError, text: "deleted or cut",
		},
		"changelog gone": {
			offset: 10, meta: committedMeta(7, 9, 20), in: whole, noLog: true,
			code: manifest.CodeChangelogGone, level: manifest.LevelError, text: "has been deleted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := changedBuild(t, tc.manifest)
			v := &groupView{offsets: map[kafka.TopicPartition]kafka.GroupOffset{}, bounds: map[kafka.TopicPartition]abi.Bounds{in: tc.in, log: tc.log}}
			if tc.offset != abi.OffsetNone {
				v.offsets[in] = kafka.GroupOffset{TopicPartition: in, Offset: tc.offset, Metadata: tc.meta}
			}
			if tc.noLog {
				b.Plan.Caches[0].Log = 0
			}
			partitions := map[string]int{topicKey(0, "in"): 1, topicKey(0, "t-counts-changelog"): 1}
			found := append(b.compareInputs(0, v, partitions), b.compareCaches(0, v, partitions)...)
			if tc.code == "" {
				if len(found) > 0 {
					t.Errorf("found %v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Code != tc.code || found[0].Level != tc.level || !strings.Contains(found[0].Msg, tc.text) {
				t.Errorf("found %+v, want %s (%s) with %q", found, tc.code, tc.level, tc.text)
			}
		})
	}
}

func TestWhatIsWatchedExists(t *testing.T) {
	b := changedBuild(t, "")
	partitions := map[string]int{topicKey(0, "in"): 2, topicKey(0, "t-counts-changelog"): 2}
	if got := b.watched(0, partitions); len(got) != 4 {
		t.Errorf("watched %v", got)
	}
	b.Plan.Caches[0].Log = 0 // it would be created
	if got := b.watched(0, partitions); len(got) != 2 {
		t.Errorf("watched %v", got)
	}
	if got := b.watched(1, partitions); len(got) != 0 {
		t.Errorf("watched %v on another cluster", got)
	}
}

func TestABrokerWithoutTransactionsIsNamed(t *testing.T) {
	e := noTransactions(changedBuild(t, "").Manifest, 0, errors.New("unsupported"))
	if e.Code != manifest.CodeNoTransactions || !strings.Contains(e.Msg, `cluster "default" gives no transaction`) || !strings.Contains(e.Msg, "unsupported") {
		t.Errorf("%+v", e)
	}
}

// With two topics in a task the offset of one says what was read of the other,
// whose own offset may have gone with it.
func TestChangesOfOneOfTwoInputsAreTold(t *testing.T) {
	for name, tc := range map[string]struct {
		offset   string // of in2: "", "foreign" or "none"
		identity uint32 // of in2 now, 7 at the commit; 0 is not there
		code     manifest.Code
	}{
		"nothing":                {identity: 7},
		"made anew":              {offset: "none", identity: 8, code: manifest.CodeTopicRecreated},
		"deleted":                {offset: "none", identity: 0, code: manifest.CodeTopicRecreated},
		"its offset was deleted": {offset: "none", identity: 7, code: manifest.CodeOffsetsReset},
		"its offset was set":     {offset: "foreign", identity: 7, code: manifest.CodeOffsetsReset},
	} {
		t.Run(name, func(t *testing.T) {
			b := changedBuild(t, "")
			b.Sources = append(b.Sources, b.Sources[0])
			b.Plan.Sources = append(b.Plan.Sources, host.Source{ID: "in2", Kind: host.SourceTopic, Topic: "in2", Identity: tc.identity})
			b.Plan.Subs[0].Inputs = []int{0, 1}
			v := &groupView{offsets: map[kafka.TopicPartition]kafka.GroupOffset{}, bounds: map[kafka.TopicPartition]abi.Bounds{}}
			partitions := map[string]int{topicKey(0, "t-counts-changelog"): 1}
			v.bounds[kafka.TopicPartition{Topic: "t-counts-changelog"}] = abi.Bounds{LastStable: 20, High: 20}
			for _, topic := range []string{"in", "in2"} {
				at := kafka.TopicPartition{Topic: topic}
				partitions[topicKey(0, topic)] = 1
				v.bounds[at] = abi.Bounds{LastStable: 20, High: 20}
				v.offsets[at] = kafka.GroupOffset{TopicPartition: at, Offset: 10, Metadata: committedMeta(7, 9, 20)}
			}
			in2 := kafka.TopicPartition{Topic: "in2"}
			switch tc.offset {
			case "none":
				delete(v.offsets, in2)
			case "foreign":
				v.offsets[in2] = kafka.GroupOffset{TopicPartition: in2, Offset: 3}
			}
			found := append(b.compareInputs(0, v, partitions), b.compareCaches(0, v, partitions)...)
			if tc.code == "" && len(found) > 0 || tc.code != "" && (len(found) != 1 || found[0].Code != tc.code) {
				t.Errorf("found %+v, want %q", found, tc.code)
			}
		})
	}
}
