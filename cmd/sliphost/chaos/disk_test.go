package chaos

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
)

// fullDisk is D1: the disk under the state directory fills and empties again;
// the process goes on by itself.
func fullDisk(a *app) {
	if os.Getuid() != 0 {
		a.t.Skip("mounting a small disk needs root")
	}
	a.rounds = rounds(1, 5)
	disk := filepath.Join(a.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=48m"); err != nil {
		a.t.Skipf("no small disk can be mounted here: %v", err)
	}
	a.t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	state := filepath.Join(disk, "state")
	a.start()
	h := a.run(state)
	a.progress(1000)
	ballast := filepath.Join(disk, "ballast")
	for range a.rounds {
		a.watch.outage.Store(true)
		if err := fill(ballast); err != nil {
			a.t.Fatal(err)
		}
		a.sleep(5*time.Second + a.upTo(3*time.Second))
		if err := os.Remove(ballast); err != nil {
			a.t.Fatal(err)
		}
		a.watch.outage.Store(false)
		if h.ended() {
			a.t.Fatalf("the process ended when its disk was full, and should wait:\n%s", h.tail())
		}
		a.progress(1000)
	}
	h.stop(a.t)
	a.finish(state)
}

// fill writes a file until the disk is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for size := len(block); size > 0; {
		switch _, err := f.Write(block[:size]); {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			return err
		}
	}
	return nil
}

// spoiltStore is D3: bytes of the store change while nobody runs.
func spoiltStore(a *app) {
	a.rounds, a.mustAbort = rounds(3, 30), true
	a.start()
	for range a.rounds {
		h := a.run("a")
		a.progress(1500)
		a.sleep(time.Second + a.upTo(time.Second)) // the store is written each second
		a.killed(h)
		a.spoil(a.state("a"))
	}
	a.finish("a")
}

// spoil damages a file of the store: flips bytes, cuts it short, or deletes
// it.
func (a *app) spoil(state string) {
	a.t.Helper()
	files := storeFiles(state)
	if len(files) == 0 {
		if a.delivery == checker.AtLeastOnce {
			return // no caches, no store
		}
		a.t.Fatalf("no store is found below %s", state)
	}
	path := files[a.rnd.IntN(len(files))]
	b, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	how := "bytes flipped"
	switch kind := a.rnd.IntN(4); {
	case kind == 0 && filepath.Base(path) != "SLIPHOST": // without its mark it is a directory of somebody else, and refused
		how = "deleted"
		err = os.Remove(path)
	case kind == 1:
		how = "cut short"
		err = os.Truncate(path, int64(len(b)/2))
	case len(b) > 0:
		for range 1 + a.rnd.IntN(20) {
			b[a.rnd.IntN(len(b))] ^= byte(1 + a.rnd.IntN(255))
		}
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Logf("%s of %d bytes: %s", filepath.Base(path), len(b), how)
}

// storeFiles lists the files of RocksDB, which are those beside one named
// CURRENT, without its log for people and its lock.
func storeFiles(state string) (files []string) {
	_ = filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "CURRENT" {
			return nil
		}
		beside, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range beside {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), "LOG") && e.Name() != "LOCK" {
				files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
			}
		}
		return nil
	})
	slices.Sort(files)
	return files
}

// staleState is D5: the state directory is put back to what it was before.
func staleState(a *app) {
	a.rounds, a.mustAbort = rounds(1, 10), true
	a.start()
	old := filepath.Join(a.dir, "old")
	for range a.rounds {
		h := a.run("a")
		a.progress(1500)
		a.sleep(1500 * time.Millisecond)
		a.killed(h)
		a.copyDir(a.state("a"), old)
		h = a.run("a")
		a.progress(1500)
		a.sleep(1500 * time.Millisecond)
		a.killed(h)
		a.copyDir(old, a.state("a"))
	}
	a.finish("a")
}

// copyDir makes to a copy of from.
func (a *app) copyDir(from, to string) {
	a.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		a.t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		a.t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}
