package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/state"
	"github.com/sliphost/sliphost/state/rocksdb"
)

// StoreDir is where a state directory has the caches.
func StoreDir(stateDir string) string { return filepath.Join(stateDir, "store") }

// openStore opens the caches of the plan, if it has any.
func (a *App) openStore() error {
	caches := a.build.Caches()
	if len(caches) == 0 {
		return nil
	}
	store, engine, err := openCaches(StoreDir(a.state.path), a.build.Manifest.Name, caches, a.budget, a.o)
	if err != nil {
		return err
	}
	a.store, a.engine = store, engine
	return nil
}

func openCaches(dir, app string, caches []state.Cache, budget Budget, o Options) (*state.Store, state.Engine, error) {
	db, report, err := rocksdb.Open(dir, rocksdb.Options{
		Families: state.Families(caches), BlockCache: budget.BlockCache, WriteBuffer: budget.WriteBuffer,
		App: app, Log: o.logger(),
	})
	if err != nil {
		return nil, nil, err
	}
	if report.Rebuilt {
		o.logger().Warn("the state on disk was damaged; the caches are read from their changelogs", "reason", report.Reason)
	}
	config := state.Config{
		App: app, Caches: caches, Fresh: report.Created,
		RecordCache: budget.RecordCache, FlushBytes: budget.Unwritten, Log: o.logger(),
	}
	store, err := state.Open(db, config)
	if errors.Is(err, state.ErrCorrupt) {
		o.logger().Warn("the state on disk is damaged; the caches are read from their changelogs", "reason", err)
		if err = db.Recreate(); err == nil {
			store, err = state.Open(db, config)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, db, nil
}

// closeStore closes the caches; Run must have returned.
func (a *App) closeStore() error {
	if a.store == nil {
		return nil
	}
	err := errors.Join(a.store.Close(), a.engine.Close())
	a.store, a.engine = nil, nil
	return err
}

// logReader reads the changelogs of a cluster.
func (a *App) logReader(_ context.Context, cluster int) (host.LogReader, error) {
	return kafka.NewLogReader(a.clusters.client(cluster))
}

// follower is a logReader that keeps little: there may be several, each for
// somebody who reads slowly.
func (a *App) follower(_ context.Context, cluster int) (host.LogReader, error) {
	cfg := a.clusters.client(cluster)
	for name, value := range map[string]string{
		"queued.max.messages.kbytes": "4096", "fetch.message.max.bytes": "1048576", "fetch.wait.max.ms": "100",
	} {
		cfg.Properties = withDefault(cfg.Properties, name, value)
	}
	return kafka.NewLogReader(cfg)
}

// logBounds asks for the ends of changelogs' partitions.
func (a *App) logBounds(ctx context.Context, cluster int, parts []host.LogPartition) ([]host.Bounds, error) {
	admin, err := a.admins.get(a.clusters, cluster)
	if err != nil {
		return nil, err
	}
	named := make([]kafka.TopicPartition, len(parts))
	for i, p := range parts {
		named[i] = kafka.TopicPartition{Topic: p.Topic, Partition: p.Partition}
	}
	return admin.Bounds(ctx, named...)
}

// topics asks what topics are now.
func (a *App) topics(ctx context.Context, cluster int, names []string) ([]host.Topic, error) {
	admin, err := a.admins.get(a.clusters, cluster)
	if err != nil {
		return nil, err
	}
	found, err := admin.DescribeTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	list := make([]host.Topic, len(found))
	for i := range found {
		if t := &found[i]; t.Exists {
			list[i] = host.Topic{Identity: identity(t.ID), Partitions: int32(t.Partitions)}
		}
	}
	return list, nil
}

// purge deletes committed records of an internal topic.
func (a *App) purge(ctx context.Context, cluster int, topic string, before map[int32]int64) error {
	admin, err := a.admins.get(a.clusters, cluster)
	if err != nil {
		return err
	}
	return admin.DeleteRecords(ctx, topic, before)
}

// admins are the admin clients of a run, made when one is asked for. Safe for
// concurrent use.
type admins struct {
	mu   sync.Mutex
	list map[int]*kafka.Admin
}

func (s *admins) get(c *clusters, cluster int) (*kafka.Admin, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list[cluster] == nil {
		admin, err := kafka.NewAdmin(c.client(cluster))
		if err != nil {
			return nil, err
		}
		if s.list == nil {
			s.list = map[int]*kafka.Admin{}
		}
		s.list[cluster] = admin
	}
	return s.list[cluster], nil
}

func (s *admins) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, admin := range s.list {
		errs = append(errs, admin.Close())
	}
	s.list = nil
	return errors.Join(errs...)
}

// transactionalID names the transactions of one worker for ever.
func (a *App) transactionalID(worker int) string {
	return fmt.Sprintf("%s-%s-%d", a.build.Manifest.Name, a.state.hostID, worker)
}

// endOrphans ends what workers of an earlier start left open whose numbers
// nobody has now: readers of committed records would wait for them until they
// time out.
func (a *App) endOrphans(ctx context.Context, clusters []int) error {
	if !a.build.Plan.ExactlyOnce {
		return nil
	}
	file := filepath.Join(a.state.path, "workers")
	before := 0
	if b, err := os.ReadFile(file); err == nil {
		before, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	for worker := len(clusters); worker < before; worker++ {
		for cluster := range a.clusters.servers {
			if a.clusters.servers[cluster] == "" {
				continue
			}
			p, err := a.newProducer(cluster, worker)
			if err != nil {
				return err
			}
			wait, cancel := context.WithTimeout(ctx, brokerTimeout)
			err = errors.Join(p.Init(wait), p.Close())
			cancel()
			if err != nil {
				return fmt.Errorf("end the transactions of worker %d of an earlier start: %w", worker, err)
			}
		}
	}
	if len(clusters) <= before {
		return nil
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n", len(clusters)), 0o644); err != nil {
		return a.state.unwritable(err)
	}
	return nil
}

var (
	_ host.LogReader = (*kafka.LogReader)(nil)
	_ state.Engine   = (*rocksdb.DB)(nil)
)
