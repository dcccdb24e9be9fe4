package boot

import (
	"slices"

	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
	"github.com/sliphost/sliphost/kafka"
)

// controlTopic is the name of an application's control topic, on each cluster
// that has one.
func controlTopic(m *manifest.Manifest) string { return m.Name + "-control" }

// controlClusters lists the clusters whose workers write to a control topic,
// ascending: those that the sources of checkpoints are on, and the home of sources
// outside Kafka whose positions are part of a commit.
func controlClusters(m *manifest.Manifest, topo *topology.Topology) []int {
	var clusters []int
	for i := range m.Checkpoints {
		for _, e := range m.Checkpoints[i].Sources() {
			clusters = append(clusters, sourceCluster(m, topo, e))
		}
	}
	if positioned(topo) && onBroker(topo) || needsLead(topo) {
		clusters = append(clusters, topo.Home)
	}
	slices.Sort(clusters)
	return slices.Compact(clusters)
}

// sourceCluster is the cluster whose workers read a source; what is outside
// Kafka is read by those of the home cluster.
func sourceCluster(m *manifest.Manifest, topo *topology.Topology, e manifest.Endpoint) int {
	switch e.Kind {
	case manifest.EndpointTopic:
		return m.Topics[e.Index].Cluster
	case manifest.EndpointRepartition:
		return m.Repartitions[e.Index].Cluster
	}
	return topo.Home
}

// controlSpec is the control topic as it is made. Starts read it whole, so it is
// kept short.
func controlSpec(m *manifest.Manifest) internalTopic {
	t := internalTopic{path: []string{"name"}, cleanup: "compact", cache: -1, why: "a control topic has"}
	t.TopicSpec = kafka.TopicSpec{Name: controlTopic(m), Partitions: 1, Config: map[string]string{
		"cleanup.policy": "compact", "segment.bytes": "4194304", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1",
	}}
	return t
}
