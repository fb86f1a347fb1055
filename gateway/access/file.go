package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// content is the whole file.
type content struct {
	Tokens []Record `json:"tokens"`
}

// strict: a misspelled restriction must not be no restriction, nor one that a program had nothing for.
var strict = json.JoinOptions(json.RejectUnknownMembers(true),
	json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *[]string) error {
		if d.PeekKind() == 'n' {
			return errors.New("null is no list; leave it out where the token is for all")
		}
		return errors.ErrUnsupported // The usual way goes on.
	})))

// ReadFile reads the records of a tokens file.
func ReadFile(path string) (records []Record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if records, err = read(f); err != nil {
		return nil, fmt.Errorf("tokens file %s: %w", path, err)
	}
	return records, nil
}

func read(f *os.File) ([]Record, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if bitsCount && info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others than its owner may write it (mode %v); chmod 600 it", info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, FileBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(b) > FileBytesMax {
		return nil, fmt.Errorf("it has more than %d bytes", FileBytesMax)
	}
	var c content
	if err := json.Unmarshal(b, &c, strict); err != nil {
		return nil, err
	}
	return c.Tokens, check(c.Tokens)
}

// check says what is wrong with the records of a file.
func check(records []Record) error {
	if len(records) > TokensMax {
		return fmt.Errorf("it has %d tokens, more than %d", len(records), TokensMax)
	}
	ids, keys := make(map[string]bool, len(records)), make(map[string]bool)
	for i := range records {
		r := &records[i]
		if _, err := r.grant(); err != nil {
			return fmt.Errorf("token %d: %w", i+1, err)
		}
		if ids[r.ID] || r.NKey != "" && keys[r.NKey] {
			return fmt.Errorf("token %d: its id or its nkey is there twice", i+1)
		}
		ids[r.ID], keys[r.NKey] = true, true
	}
	return nil
}

// EditFile changes the records of a tokens file, which is made where there is none. Whoever edits
// it at the same time waits. The file is replaced as a whole, so that a server never reads half.
func EditFile(path string, edit func([]Record) ([]Record, error)) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // What is replaced is the file, not the link to it.
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("edit the tokens file: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }() // Which lets the lock go.
	if err := lock(dir); err != nil {
		return fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	records, err := ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if records, err = edit(slices.Clone(records)); err != nil {
		return err
	}
	if err := check(records); err != nil {
		return fmt.Errorf("edit %s: %w", path, err)
	}
	if records == nil {
		records = []Record{}
	}
	b, err := json.Marshal(content{records}, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	if err := replace(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

// replace writes a file beside another and puts it in its place, for those who could read that one.
func replace(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = keepReaders(f, path)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// keepReaders gives a file the owner, the group and the mode of the one that it takes the place of. A
// server that could not read it any more would go on with the tokens that it knows, those that were
// just revoked among them.
func keepReaders(f *os.File, path string) error {
	was, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := keepOwner(f, was); err != nil {
		return err
	}
	return f.Chmod(was.Mode().Perm())
}
