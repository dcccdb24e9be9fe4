package rocksdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/state"
)

// The test binary is also the other process: SLIPHOST_CHILD says what it does
// in the directory SLIPHOST_DIR.
func TestMain(m *testing.M) {
	switch child := os.Getenv("SLIPHOST_CHILD"); child {
	case "":
		os.Exit(m.Run())
	default:
		if err := runChild(child, os.Getenv("SLIPHOST_DIR")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
}

func runChild(what, dir string) error {
	o := testOptions()
	o.WriteBuffer = minWriteBuffer
	d, r, err := Open(dir, o)
	if err != nil {
		return err
	}
	if r.Rebuilt {
		return errors.New("rebuilt: " + r.Reason)
	}
	if what == "hold" {
		fmt.Println("open")
		_, err := io.Copy(io.Discard, os.Stdin)
		return errors.Join(err, d.Close())
	}
	// Batch n replaces what batch n-1 wrote, in all families, at some length.
	n := 0
	if v, ok, err := d.Get(0, []byte("n"), nil); err != nil {
		return err
	} else if ok {
		fmt.Sscan(string(v), &n)
	}
	for {
		n++
		var b state.Batch
		writeNumber(&b, n)
		if err := d.Write(&b); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// A process that is killed while it makes the store has lost nothing: the next
// one finds no damage, and finishes the work. The moments are spread over what
// making one takes here.
func TestKillWhileTheStoreIsMade(t *testing.T) {
	began := time.Now()
	d, _ := mustOpen(t, t.TempDir(), testOptions())
	takes := time.Since(began)
	d.Close()
	unfinished, rounds := 0, 40
	for i := range rounds {
		dir := t.TempDir()
		c, _ := child(t, "hold", dir, nil)
		at := time.Now().Add(takes * 3 * time.Duration(i) / time.Duration(rounds))
		for time.Now().Before(at) && !exists(filepath.Join(dir, "CURRENT")) {
			time.Sleep(50 * time.Microsecond)
		}
		time.Sleep(time.Until(at) / 4)
		c.Process.Kill()
		c.Wait()
		if exists(filepath.Join(dir, "CURRENT")) {
			unfinished++
		}
		d, rep := mustOpen(t, dir, testOptions())
		if rep.Rebuilt {
			t.Errorf("round %d: %+v", i, rep)
		}
		d.Close()
	}
	if unfinished == 0 {
		t.Errorf("no kill of %d met a store that was begun", rounds)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func writeNumber(b *state.Batch, n int) {
	v := fmt.Append(nil, n)
	b.Put(0, nil, []byte("n"), v)
	for f := 1; f <= 2; f++ {
		for i := range 20 {
			b.Put(f, nil, fmt.Appendf(nil, "%d", i), fmt.Appendf(nil, "%d %0*d", n, 2000, 0))
		}
		b.DeleteRange(f, fmt.Appendf(nil, "s%08d", n-10), fmt.Appendf(nil, "s%08d", n-3))
		b.Put(f, nil, fmt.Appendf(nil, "s%08d", n), v)
	}
}

func child(t *testing.T, what, dir string, setup func(*exec.Cmd)) (*exec.Cmd, io.Reader) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "SLIPHOST_CHILD="+what, "SLIPHOST_DIR="+dir)
	c.Stderr = os.Stderr
	if _, err := c.StdinPipe(); err != nil { // closed by Wait
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if setup != nil {
		setup(c)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c, out
}

// Nothing that Write answered is lost, and nothing is torn, when the process is
// killed at any moment.
func TestKillLosesNothing(t *testing.T) {
	dir := t.TempDir()
	_, r := trials(t, 1)
	for range 6 {
		c, out := child(t, "write", dir, nil)
		lines, upTo, answered := bufio.NewScanner(out), 1+r.IntN(150), 0
		for range upTo {
			if !lines.Scan() {
				t.Fatal("the child ended")
			}
			if _, err := fmt.Sscan(lines.Text(), &answered); err != nil {
				t.Fatal(lines.Text())
			}
		}
		c.Process.Kill()
		for lines.Scan() { // what it wrote before it died
			fmt.Sscan(lines.Text(), &answered)
		}
		c.Wait()

		d, rep := mustOpen(t, dir, testOptions())
		if rep.Rebuilt {
			t.Fatalf("%+v", rep)
		}
		got, err := dump(d, 3)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		fmt.Sscan(got["0/n"], &n)
		if n < answered || n > answered+1 {
			t.Fatalf("batch %d was answered, the store has %d", answered, n)
		}
		want := state.NewMemory()
		for i := 1; i <= n; i++ {
			var b state.Batch
			writeNumber(&b, i)
			if err := want.Write(&b); err != nil {
				t.Fatal(err)
			}
		}
		if all, _ := dump(want, 3); digest(all) != digest(got) {
			t.Fatalf("the store is not what %d batches leave", n)
		}
		d.Close()
	}
}

func TestSecondProcessIsTold(t *testing.T) {
	dir := t.TempDir()
	c, out := child(t, "hold", dir, nil)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatal(line, err)
	}
	_, _, err := Open(dir, testOptions())
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", c.Process.Pid)) {
		t.Errorf("error %v", err)
	}
	c.Process.Kill()
	c.Wait()
	d, r := mustOpen(t, dir, testOptions())
	if r.Rebuilt {
		t.Errorf("%+v", r)
	}
	if _, _, err := Open(dir, testOptions()); !errors.Is(err, ErrInUse) {
		t.Errorf("twice in a process: %v", err)
	}
	put(t, d, 1, "k", "v")
}

// mount mounts a tmpfs of so many bytes.
func mount(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skip("no permission to mount here: ", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	top := mount(t, 24<<20)
	dir := filepath.Join(top, "state")
	o := testOptions()
	o.WriteBuffer = minWriteBuffer
	d, _ := mustOpen(t, dir, o)
	put(t, d, 1, "k", "v")

	ballast := filepath.Join(top, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4<<10); err == nil; {
		_, err = f.Write(chunk)
	}
	f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	written := 0
	for n := 1; ; n++ {
		var b state.Batch
		b.Put(0, nil, []byte("n"), fmt.Append(nil, n))
		b.Put(1, nil, fmt.Appendf(nil, "big-%d", n), make([]byte, 100<<10))
		if err = d.Write(&b); err != nil {
			break
		}
		written = n
		if n > 1000 {
			t.Fatal("the disk does not get full")
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, state.ErrCorrupt) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("error of a write: %v", err)
	}
	t.Log(err)
	wantValue(t, d, 1, "k", "v") // reading goes on
	if err := d.Reopen(); err != nil && (errors.Is(err, state.ErrCorrupt) || !errors.Is(err, syscall.ENOSPC)) {
		t.Errorf("reopen on a full disk: %v", err)
	}
	d.Close()
	if full, r, err := Open(dir, o); err == nil {
		if r.Rebuilt {
			t.Errorf("a full disk is no damage: %+v", r)
		}
		full.Close()
	} else if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("open on a full disk: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d, r := mustOpen(t, dir, o)
	if r.Rebuilt {
		t.Fatalf("after there was room again: %+v", r)
	}
	wantValue(t, d, 1, "k", "v")
	if v, _, err := d.Get(0, []byte("n"), nil); err != nil || string(v) != fmt.Sprint(written) && string(v) != fmt.Sprint(written+1) && written > 0 {
		t.Errorf("batch %d was answered, the store has %q, %v", written, v, err)
	}
	put(t, d, 1, "k", "w")
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := mount(t, 24<<20)
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "v")
	d.Close()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, testOptions()); !errors.Is(err, syscall.EROFS) {
		t.Errorf("error %v", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	d, r := mustOpen(t, dir, testOptions())
	if r.Rebuilt {
		t.Errorf("%+v", r)
	}
	wantValue(t, d, 1, "k", "v")
}

// Files of another user are no damage either.
func TestMissingPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	base, err := os.MkdirTemp("", "sliphost-perm-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	os.Chmod(base, 0o755)
	// A copy, since the build's own place need not be open to others.
	bin := filepath.Join(base, "test")
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]func(dir string){
		"directory": func(dir string) {},
		"file": func(dir string) {
			os.Chmod(dir, 0o777)
			os.Chmod(filepath.Join(dir, markerName), 0o666)
			os.Chmod(filepath.Join(dir, "LOCK"), 0o666)
			os.Chmod(filepath.Join(dir, "CURRENT"), 0o600)
		},
	} {
		dir := filepath.Join(base, name)
		d, _ := mustOpen(t, dir, testOptions())
		put(t, d, 1, "k", "v")
		d.Close()
		mode(dir)
		c, out := child(t, "hold", dir, func(c *exec.Cmd) {
			c.Path, c.Dir = bin, base
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		})
		said, _ := io.ReadAll(out)
		c.Wait()
		if !strings.Contains(string(said), "permission denied") {
			t.Errorf("%s: %s", name, said)
		}
		d, r := mustOpen(t, dir, testOptions())
		if r.Rebuilt {
			t.Errorf("%s: %+v", name, r)
		}
		wantValue(t, d, 1, "k", "v")
		d.Close()
	}
}
