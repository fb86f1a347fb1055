package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/skua-stock/skua/persistence"
)

// socketName is where in the data directory a server can be told to make a backup. It is a file that
// only its owner can open, and never reaches beyond the machine: whoever can open it can read the
// data directory anyway, so it asks for no token.
const socketName = "admin.sock"

// socketPathMax is how long the path of a socket may be; 108 bytes with its end, on Linux.
const socketPathMax = 107

// socketPath is a path of a data directory's socket that is short enough, and what keeps it valid.
func socketPath(dir string) (path string, release func() error, err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= socketPathMax {
		return path, func() error { return nil }, nil
	}
	if runtime.GOOS != "linux" {
		return "", nil, fmt.Errorf("%s is longer than a socket's path may be, %d bytes", path, socketPathMax)
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName), d.Close, nil
}

// socket takes orders for backups.
type socket struct {
	dir     string
	server  http.Server
	running sync.WaitGroup
	release func() error
}

// made is what comes of an order.
type made struct {
	Backup *persistence.Backup `json:"backup,omitempty"`
	Error  string              `json:"error,omitempty"`
}

// openSocket takes orders from now on. Whoever holds the lock of the data directory may call it.
func openSocket(dir string, store *persistence.Store, log *slog.Logger) (*socket, error) {
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("listen for backups: %w", err)
	}
	// What is there is of a process that was killed.
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("listen for backups: %w", err), release())
	}
	s := &socket{dir: dir, release: release}
	s.server.Handler = s.handler(store, log)
	s.server.ReadHeaderTimeout = clientWait
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for backups: %w", err), release())
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // It is removed by its real name.
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for backups: %w", err), listener.Close(), release())
	}
	s.running.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listen for backups", "error", err)
		}
	})
	return s, nil
}

func (s *socket) handler(store *persistence.Store, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		to := r.URL.Query().Get("to")
		if !filepath.IsAbs(to) {
			answer(w, http.StatusBadRequest, made{Error: "to must be an absolute path"})
			return
		}
		log.Info("backup begins", "to", to)
		b, err := store.Backup(r.Context(), to)
		if err != nil {
			log.Error("backup", "to", to, "error", err)
			answer(w, http.StatusInternalServerError, made{Error: err.Error()})
			return
		}
		log.Info("backup is whole", "to", to, "through", b.Last, "bytes", b.Bytes(), "seconds", b.Finished.Sub(b.Began).Seconds())
		answer(w, http.StatusOK, made{Backup: b})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, m made) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(m) // Whoever asked may be gone.
}

// close calls off what is running, and waits until it is.
func (s *socket) close() error {
	if s == nil {
		return nil
	}
	err := s.server.Close()
	s.running.Wait()
	return errors.Join(err, os.Remove(filepath.Join(s.dir, socketName)), s.release())
}

// errNoServer is what there is when nobody listens at a data directory's socket.
var errNoServer = errors.New("no server has this data directory open")

// orderBackup tells the server of a data directory to make a backup, and waits for it.
func orderBackup(ctx context.Context, dir, to string) (*persistence.Backup, error) {
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer release() //nolint:errcheck // It was only read.
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "unix", path)
			if err != nil {
				return nil, errors.Join(errNoServer, err)
			}
			return conn, nil
		},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://skua/backup", nil)
	if err != nil {
		return nil, err
	}
	query := req.URL.Query()
	query.Set("to", to)
	req.URL.RawQuery = query.Encode()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("order a backup: %w", err)
	}
	defer resp.Body.Close()
	var m made
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return nil, fmt.Errorf("the server ended before the backup was whole: %w", err)
	}
	if m.Backup == nil {
		return nil, fmt.Errorf("the server could not make the backup: %s", m.Error)
	}
	return m.Backup, nil
}
