//go:build !unix

package access

import "os"

// bitsCount: the mode of a file says nothing of who may write it; its access control list does.
const bitsCount = false

// lock: two who edit the file at the same moment may lose an edit, of which a list of the tokens tells.
func lock(*os.File) error { return nil }

// syncDir: a directory cannot be synced by itself.
func syncDir(*os.File) error { return nil }

// keepOwner: a new file has the owner and the rights of its directory.
func keepOwner(*os.File, os.FileInfo) error { return nil }
