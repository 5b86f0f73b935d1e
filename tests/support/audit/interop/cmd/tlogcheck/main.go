// Command tlogcheck reads a log with Go's own packages for transparency logs, golang.org/x/mod/sumdb/note and tlog.
//
//	tlogcheck log FOLDER VKEY OLD [WITNESS-VKEY]   verify checkpoint, tiles and entries; print what it found and proved
//	tlogcheck proof FILE VKEY                      verify a C2SP tlog-proof
//	tlogcheck sign SKEY < TEXT                     sign a note
//	tlogcheck open VKEY < NOTE                     verify a note
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type answer struct {
	Size        int64    `json:"size"`
	Root        string   `json:"root"`
	Inclusion   []string `json:"inclusion"`
	Consistency []string `json:"consistency"`
	Entries     int64    `json:"entries"`
	Witnessed   bool     `json:"witnessed"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "log":
		return checkLog(args[1], args[2], args[3], args[4:])
	case "proof":
		return checkProof(args[1], args[2])
	case "sign":
		return signNote(args[1])
	case "open":
		return openNote(args[1])
	}
	return fmt.Errorf("no command %q", args[0])
}

func signNote(skey string) error {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
	os.Stdout.Write(signed)
	return err
}

func openNote(vkey string) error {
	content, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	_, _, err = openCheckpoint(content, vkey)
	return err
}

func openCheckpoint(content []byte, vkeys ...string) (tlog.Tree, *note.Note, error) {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return tlog.Tree{}, nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(content, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 {
		return tlog.Tree{}, nil, fmt.Errorf("a checkpoint of %d lines", len(lines))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, opened, err
}

// A cosigner verifies tlog-cosignature/v1, which sumdb/note does not know.
type cosigner struct {
	note.Verifier
	key ed25519.PublicKey
}

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	text := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(text), sig[8:])
}

type identity struct {
	name string
	hash uint32
}

func (i identity) Name() string            { return i.name }
func (i identity) KeyHash() uint32         { return i.hash }
func (i identity) Verify(_, _ []byte) bool { return false }

func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		raw, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(raw) == 33 && raw[0] == 4 {
			hash, err := strconv.ParseUint(parts[1], 16, 32)
			return cosigner{identity{parts[0], uint32(hash)}, raw[1:]}, err
		}
	}
	return note.NewVerifier(vkey)
}

// Tiles of a folder: C2SP leaves out the height in the path.
type tiles struct {
	folder string
}

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func checkLog(folder, vkey, oldText string, witnesses []string) error {
	content, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, opened, err := openCheckpoint(content, append([]string{vkey}, witnesses...)...)
	if err != nil {
		return err
	}
	old, err := strconv.ParseInt(oldText, 10, 64)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles{folder})
	result := answer{Size: tree.N, Root: tree.Hash.String(), Witnessed: len(opened.Sigs) == 1+len(witnesses)}
	inclusion, err := tlog.ProveRecord(tree.N, old, reader)
	if err != nil {
		return err
	}
	consistency, err := tlog.ProveTree(tree.N, old, reader)
	if err != nil {
		return err
	}
	oldRoot, err := tlog.TreeHash(old, reader)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(consistency, tree.N, tree.Hash, old, oldRoot); err != nil {
		return err
	}
	for _, hash := range inclusion {
		result.Inclusion = append(result.Inclusion, hash.String())
	}
	for _, hash := range consistency {
		result.Consistency = append(result.Consistency, hash.String())
	}
	if result.Entries, err = checkEntries(folder, tree, reader); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func checkEntries(folder string, tree tlog.Tree, reader tlog.HashReader) (int64, error) {
	var count int64
	for count < tree.N {
		width := min(int64(256), tree.N-count)
		tile := tlog.Tile{H: height, L: -1, N: count / 256, W: int(width)}
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data/", height), "tile/entries/", 1)
		content, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			return count, err
		}
		for ; width > 0; width-- {
			length := int(binary.BigEndian.Uint16(content))
			entry := content[2 : 2+length]
			content = content[2+length:]
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, count)})
			if err != nil {
				return count, err
			}
			if tlog.RecordHash(entry) != hashes[0] {
				return count, fmt.Errorf("entry %d has another hash", count)
			}
			count++
		}
		if len(content) != 0 {
			return count, fmt.Errorf("%s has more than its entries", path)
		}
	}
	return count, nil
}

func checkProof(path, vkey string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(content, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("no tlog-proof")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, _, err := openCheckpoint(checkpoint, vkey)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}
