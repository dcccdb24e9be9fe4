package boot

import (
	"slices"

	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
)

// replayTopic is the name of the topic through which dead letters come back to
// a sub-topology, "" if none of its handlers writes any, or if it reads no
// topic of one cluster.
func replayTopic(m *manifest.Manifest, s *topology.Sub) string {
	if s.Cluster < 0 || len(s.Inputs) == 0 || !slices.ContainsFunc(s.Handlers, func(h int) bool { return m.Handlers[h].OnError.Policy == manifest.PolicyDLQ }) {
		return ""
	}
	return m.Name + "-" + m.Handlers[s.Handlers[0]].ID + "-replay"
}

// replayGroup is the group in which replay remembers what it has sent back.
func replayGroup(m *manifest.Manifest) string { return m.Name + "-replay" }
