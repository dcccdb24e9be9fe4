package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
	"github.com/sliphost/sliphost/kafka"
)

// Reset is what there is to forget of an application: OpenReset finds it,
// Delete removes it. It holds the state directory until Close.
type Reset struct {
	// Things are what Delete removes, for people.
	Things []ResetThing
	// Left are topics that look like the application's own and that the manifest
	// does not know: of a cache that was renamed, or of another application.
	Left []string

	m        *manifest.Manifest
	state    *stateDir
	clusters []resetCluster
	paths    []string
}

// ResetThing is one thing that Reset removes.
type ResetThing struct {
	// Kind is group, topic or file.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Cluster is that of a group or topic.
	Cluster string `json:"cluster,omitempty"`
	// Detail says how much it is.
	Detail string `json:"detail,omitempty"`
}

type resetCluster struct {
	name   string
	client kafka.ClientConfig
	admin  *kafka.Admin
	groups []string
	topics []string
}

// OpenReset finds what the application has: the offsets of its groups, its
// internal topics, and what the state directory holds of it. It refuses while
// members of a group run. waiting is called when it waits for the broker to
// forget a host of this directory that has stopped.
func OpenReset(ctx context.Context, m *manifest.Manifest, o Options, waiting func()) (*Reset, error) {
	r := &Reset{m: m, Things: []ResetThing{}}
	if err := r.open(ctx, o, waiting); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Reset) open(ctx context.Context, o Options, waiting func()) error {
	topo, found := topology.Build(r.m)
	if found.Fatal() != nil {
		return found
	}
	dir := o.stateDir(r.m)
	if _, err := os.Stat(dir); err == nil {
		if r.state, err = openState(dir); err != nil {
			return err
		}
	}
	for cluster := range r.m.Clusters {
		names := internalNames(r.m, topo, cluster)
		if len(names) == 0 && len(inputTopics(r.m, topo, cluster)) == 0 {
			continue
		}
		if err := r.openCluster(ctx, o, cluster, names, waiting); err != nil {
			return err
		}
	}
	return r.findFiles(dir)
}

// internalNames are the topics that a host makes for m on a cluster.
func internalNames(m *manifest.Manifest, topo *topology.Topology, cluster int) []string {
	var names []string
	for i := range m.Repartitions {
		if m.Repartitions[i].Cluster == cluster {
			names = append(names, m.Repartitions[i].Name)
		}
	}
	if slices.Contains(controlClusters(m, topo), cluster) {
		names = append(names, controlTopic(m))
	}
	for i := range topo.Subs {
		s := &topo.Subs[i]
		if s.Cluster != cluster {
			continue
		}
		for _, c := range s.Caches {
			if m.Caches[c].Kind == manifest.CacheKV {
				names = append(names, m.Caches[c].Changelog)
			}
		}
		if name := replayTopic(m, s); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// internalSuffixes end the names of internal topics.
var internalSuffixes = [...]string{"-changelog", "-repartition", "-replay", "-control"}

func (r *Reset) openCluster(ctx context.Context, o Options, cluster int, names []string, waiting func()) error {
	rc, err := r.reach(ctx, o, cluster)
	if err != nil {
		return err
	}
	for _, group := range []string{r.m.Clusters[cluster].Group, replayGroup(r.m)} {
		if err := r.openGroup(ctx, rc, group, waiting); err != nil {
			return err
		}
	}
	return r.findTopics(ctx, rc, names)
}

// reach connects to a cluster.
func (r *Reset) reach(ctx context.Context, o Options, cluster int) (*resetCluster, error) {
	servers, err := Bootstrap(ctx, r.m, cluster, o)
	if err != nil {
		return nil, err
	}
	cfg := ClientConfig(r.m, cluster, servers)
	cfg.Logger = o.logger()
	admin, err := kafka.NewAdmin(cfg)
	if err != nil {
		return nil, err
	}
	r.clusters = append(r.clusters, resetCluster{name: r.m.Clusters[cluster].Name, client: cfg, admin: admin})
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	return &r.clusters[len(r.clusters)-1], admin.Ready(ctx)
}

// staleMember is how long a group keeps a static member that is gone.
const staleMember = 12 * time.Second

// openGroup makes sure that nobody is in a group, and notes its offsets.
func (r *Reset) openGroup(ctx context.Context, rc *resetCluster, name string, waiting func()) error {
	for end, told := time.Now().Add(staleMember), false; ; {
		step, cancel := context.WithTimeout(ctx, brokerTimeout)
		group, err := rc.admin.DescribeGroup(step, name)
		cancel()
		if err != nil {
			return err
		}
		if len(group.Members) == 0 {
			break
		}
		if !r.ours(&group) || time.Now().After(end) {
			return fmt.Errorf("group %q on cluster %q has members: %s; stop these hosts first (one that was stopped counts for some seconds more)", name, rc.name, memberNames(&group))
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	step, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	offsets, err := rc.admin.GroupOffsets(step, name)
	if err != nil {
		return err
	}
	if len(offsets) > 0 {
		rc.groups = append(rc.groups, name)
		r.Things = append(r.Things, ResetThing{Kind: "group", Name: name, Cluster: rc.name, Detail: count(len(offsets), "offset")})
	}
	return nil
}

// ours says that every member of a group is a static one of this state
// directory: its process is gone, since this one holds the directory.
func (r *Reset) ours(g *kafka.Group) bool {
	return r.state != nil && !slices.ContainsFunc(g.Members, func(m kafka.Member) bool {
		return !strings.HasPrefix(m.ID, r.m.Name+"-"+r.state.hostID+"-")
	})
}

func memberNames(g *kafka.Group) string {
	var who []string
	for _, m := range g.Members {
		who = append(who, m.ClientID+"@"+strings.TrimPrefix(m.Host, "/"))
	}
	slices.Sort(who)
	return strings.Join(who, ", ")
}

// findTopics notes which internal topics exist.
func (r *Reset) findTopics(ctx context.Context, rc *resetCluster, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	all, err := rc.admin.Topics(ctx)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		topics, err := rc.admin.DescribeTopics(ctx, names...)
		if err != nil {
			return err
		}
		for _, t := range topics {
			if t.Exists {
				rc.topics = append(rc.topics, t.Name)
				r.Things = append(r.Things, ResetThing{Kind: "topic", Name: t.Name, Cluster: rc.name, Detail: count(t.Partitions, "partition")})
			}
		}
	}
	for _, name := range all {
		ends := slices.ContainsFunc(internalSuffixes[:], func(s string) bool { return strings.HasSuffix(name, s) })
		if ends && strings.HasPrefix(name, r.m.Name+"-") && !slices.Contains(names, name) {
			r.Left = append(r.Left, name)
		}
	}
	return nil
}

// findFiles notes what the state directory holds: caches and the positions of
// files. Its id stays, so that transactions of before are ended by the next
// start.
func (r *Reset) findFiles(dir string) error {
	if r.state == nil {
		return nil
	}
	store := StoreDir(dir)
	if entries, err := os.ReadDir(store); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(store, "SLIPHOST")); err != nil {
			return fmt.Errorf("%s does not look like a store of this program (it has no file SLIPHOST); look at it and move it away by hand", store)
		}
		r.addFile(store, "the caches on disk")
	}
	positions := filepath.Join(dir, "positions.json")
	if _, err := os.Stat(positions); err == nil {
		r.addFile(positions, "positions in files")
	}
	return nil
}

func (r *Reset) addFile(path, detail string) {
	r.paths = append(r.paths, path)
	r.Things = append(r.Things, ResetThing{Kind: "file", Name: path, Detail: detail})
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Delete removes the Things, each followed by a call of done. What it was asked
// for and is gone already is no error, so a Reset that was cut short is
// completed by the next one.
func (r *Reset) Delete(ctx context.Context, done func(ResetThing)) error {
	for _, path := range r.paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, cause(err))
		}
	}
	for i := range r.clusters {
		if err := r.clusters[i].delete(ctx); err != nil {
			return err
		}
	}
	for _, t := range r.Things {
		done(t)
	}
	return nil
}

// delete removes the topics, then the offsets, and waits until the names are
// free.
func (rc *resetCluster) delete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*brokerTimeout)
	defer cancel()
	if len(rc.topics) > 0 {
		if err := rc.admin.DeleteTopics(ctx, rc.topics...); err != nil {
			return err
		}
	}
	for _, group := range rc.groups {
		if err := rc.admin.DeleteGroup(ctx, group); err != nil {
			return err
		}
	}
	for len(rc.topics) > 0 {
		topics, err := rc.admin.DescribeTopics(ctx, rc.topics...)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(topics, func(t kafka.Topic) bool { return t.Exists }) {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topics are marked for deletion and still there: %s; wait before the next start", strings.Join(rc.topics, ", "))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// Close gives the state directory and the clients back.
func (r *Reset) Close() error {
	var errs []error
	for i := range r.clusters {
		errs = append(errs, r.clusters[i].admin.Close())
	}
	if r.state != nil {
		errs = append(errs, r.state.Close())
	}
	return errors.Join(errs...)
}
