package boot

import (
	"context"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/manifest"
)

// CacheUpdate is a committed update of a cache as FollowCache tells it.
type CacheUpdate struct {
	host.CacheUpdate
	// KeyText is the key as people write it, Position what FollowQuery.After
	// takes to go on behind the update.
	KeyText, Position string
}

// FollowCache asks the host of m's state directory for the updates of a cache
// and hands each to take, until ctx ends, take has an error or the host ends.
// The error wraps admin.ErrNoHost if no host runs.
func FollowCache(ctx context.Context, m *manifest.Manifest, o Options, q *host.FollowQuery, take func(*CacheUpdate) error) error {
	v := &CacheView{client: admin.Dial(o.stateDir(m)), Running: true}
	var err error
	if v.infos, err = v.client.Caches(ctx); err != nil {
		return err
	}
	info, err := v.Cache(q.Cache)
	if err != nil {
		return err
	}
	key := KeyTypeOf(info)
	return v.client.Follow(ctx, q, func(u *host.CacheUpdate, position string) error {
		return take(&CacheUpdate{CacheUpdate: *u, KeyText: key.Text(u.Key), Position: position})
	})
}
