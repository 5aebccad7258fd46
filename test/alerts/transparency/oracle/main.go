// Checks what a log says with the Go project's own sumdb/note and sumdb/tlog: reads one JSON object from standard input, prints one JSON object a question.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proof struct {
	From int64    `json:"from"`
	To   int64    `json:"to"`
	Root string   `json:"root"`
	Hash string   `json:"hash"`
	Path []string `json:"path"`
}

type input struct {
	Key         string   `json:"key"`
	Secret      string   `json:"secret"`
	Checkpoint  string   `json:"checkpoint"`
	Folder      string   `json:"folder"`
	Leaves      [][]byte `json:"leaves"`
	Inclusion   []proof  `json:"inclusion"`
	Consistency []proof  `json:"consistency"`
}

type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// Go names the height in a tile's path, C2SP's logs have 8 always and don't.
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func hash(text string) tlog.Hash {
	parsed, err := tlog.ParseHash(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func hashes(texts []string) []tlog.Hash {
	var all []tlog.Hash
	for _, text := range texts {
		all = append(all, hash(text))
	}
	return all
}

func said(what string, err error) {
	answer := map[string]string{"what": what}
	if err != nil {
		answer["error"] = err.Error()
	}
	line, _ := json.Marshal(answer)
	fmt.Println(string(line))
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(in.Key)
	said("key", err)
	if err != nil {
		return
	}
	if in.Secret != "" {
		signer, err := note.NewSigner(in.Secret)
		if err == nil && (signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash()) {
			err = fmt.Errorf("the private key is of %s", signer.Name())
		}
		said("secret", err)
	}
	opened, err := note.Open([]byte(in.Checkpoint), note.VerifierList(verifier))
	said("note", err)
	if err != nil {
		return
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err == nil && lines[0] != verifier.Name() {
		err = fmt.Errorf("origin %s", lines[0])
	}
	said("checkpoint", err)
	tree := tlog.Tree{N: size, Hash: hash(lines[2])}
	reader := tlog.TileHashReader(tree, tiles{in.Folder})
	root, err := tlog.TreeHash(size, reader)
	if err == nil && root != tree.Hash {
		err = fmt.Errorf("tiles lead to %s", root)
	}
	said("tiles", err)
	for at, leaf := range in.Leaves {
		found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(at))})
		if err == nil && found[0] != tlog.RecordHash(leaf) {
			err = fmt.Errorf("leaf %d", at)
		}
		if err != nil {
			said("leaves", err)
			return
		}
	}
	said("leaves", nil)
	for _, each := range in.Inclusion {
		said("inclusion", tlog.CheckRecord(hashes(each.Path), each.To, hash(each.Root), each.From, hash(each.Hash)))
	}
	for _, each := range in.Consistency {
		said("consistency", tlog.CheckTree(hashes(each.Path), each.To, hash(each.Root), each.From, hash(each.Hash)))
	}
}
