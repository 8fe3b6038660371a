//go:build unix

package embeddedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that initdb and postgres run as. The zero value is the user of this
// process.
type account struct {
	credential *syscall.Credential
	name       string
}

// pickAccount returns the account that runs the cluster in dir, which needn't exist: this
// process's own. For root it is the owner of dir, or user postgres, nobody or 65534.
func pickAccount(dir string) account {
	if os.Geteuid() != 0 {
		return account{}
	}
	if info, err := os.Stat(dir); err == nil && owner(info) != 0 {
		stat := info.Sys().(*syscall.Stat_t)
		return newAccount(stat.Uid, stat.Gid)
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseInt(u.Uid, 10, 64) // -2 on macOS
		gid, gidErr := strconv.ParseInt(u.Gid, 10, 64)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return newAccount(uint32(uid), uint32(gid))
		}
	}
	return newAccount(65534, 65534)
}

func newAccount(uid, gid uint32) account {
	a := account{credential: &syscall.Credential{Uid: uid, Gid: gid}, name: "uid " + strconv.Itoa(int(uid))}
	if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		a.name = "user " + u.Username
	}
	return a
}

// dirMode is the mode of our folders that the account must pass through.
func (a account) dirMode() fs.FileMode {
	if a.credential == nil {
		return 0o700
	}
	return 0o711
}

// makeReachable makes dir and its missing parents with dirMode. It returns an error if the
// account still can't reach dir.
func (a account) makeReachable(dir string) error {
	at := nearest(dir)
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file: name a folder", at)
	}
	if err := a.reach(at); err != nil {
		return err // return before making anything there
	}
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, a.dirMode()); err != nil {
		return fmt.Errorf("the folder can't be made: %w: let this user write there", err)
	}
	if err := os.Chmod(dir, a.dirMode()); err != nil { // undo the umask
		return err
	}
	return a.reach(dir)
}

// nearest returns dir or the nearest of its parents that exists.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// own makes the account the owner of the folder dir and closes it to all others.
func (a account) own(dir string) error {
	if err := a.chown(dir); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// ownAll does the same as own and also gives the account everything in dir.
func (a account) ownAll(dir string) error {
	if a.credential == nil {
		return a.own(dir)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return a.chown(path)
	})
	return errors.Join(err, os.Chmod(dir, 0o700))
}

func (a account) chown(path string) error {
	if a.credential == nil {
		return nil
	}
	return a.explain(os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid)))
}

// owns returns an error if dir exists and belongs to another user than the account, because
// postgres would refuse it.
func (a account) owns(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	uid := os.Geteuid()
	if a.credential != nil {
		uid = int(a.credential.Uid)
	}
	if owner(info) != uid {
		return fmt.Errorf("%s belongs to uid %d, but PostgreSQL would run as uid %d: run mocktenant as the owner, or choose another MOCKTENANT_DATA_DIR", dir, owner(info), uid)
	}
	return nil
}

// reach returns an error if the account can't pass through dir or one of its parents; the
// error names that folder.
func (a account) reach(dir string) error {
	if a.credential == nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for _, path := range []string{dir, real} {
		for ; path != filepath.Dir(path); path = filepath.Dir(path) {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if !a.maySearch(info) {
				return fmt.Errorf("%s is closed to %s, which runs PostgreSQL because PostgreSQL refuses to run as root: chmod o+x %s", path, a.name, path)
			}
		}
	}
	return nil
}

func (a account) maySearch(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	bit := fs.FileMode(0o001)
	switch {
	case stat.Uid == a.credential.Uid:
		bit = 0o100
	case stat.Gid == a.credential.Gid:
		bit = 0o010
	}
	return info.Mode()&bit != 0
}

// explain adds the remedy to err if the process is root but lacks the capability to act for
// the account.
func (a account) explain(err error) error {
	if a.credential == nil || !errors.Is(err, syscall.EPERM) {
		return err
	}
	return fmt.Errorf("PostgreSQL refuses to run as root, and this process can't act for %s (a container without root's capabilities?); run it as another user: %w", a.name, err)
}

// owner returns the uid of a file.
func owner(info fs.FileInfo) int {
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
