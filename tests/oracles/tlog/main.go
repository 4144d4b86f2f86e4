// What Go's golang.org/x/mod/sumdb makes of our notes, tiles and proofs: a question in JSON on each line of standard input,
// `ok` or `refused: why` on each line of standard output.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Do    string            // note, tiles, inclusion, consistency, sign
	Key   string            // name+id+key, or the secret for sign
	Note  string            // a checkpoint; for sign, its text
	Tiles map[string]string // base64 by path
	Size  int64
	Root  string
	Index int64 // of the entry
	Leaf  string
	Old   int64
	Was   string // the root at Old
	Proof []string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Println("unreadable:", err)
			continue
		}
		if answer, err := answered(q); err != nil {
			fmt.Println("refused:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println(answer)
		}
	}
}

func answered(q question) (string, error) {
	switch q.Do {
	case "note":
		_, err := opened(q)
		return "ok", err
	case "tiles":
		return "ok", tiles(q)
	case "inclusion":
		root, leaf, proof, err := hashes(q.Root, q.Leaf, q.Proof)
		if err != nil {
			return "", err
		}
		return "ok", tlog.CheckRecord(proof, q.Size, root, q.Index, leaf)
	case "consistency":
		root, was, proof, err := hashes(q.Root, q.Was, q.Proof)
		if err != nil {
			return "", err
		}
		return "ok", tlog.CheckTree(proof, q.Size, root, q.Old, was)
	case "sign":
		signer, err := note.NewSigner(q.Key)
		if err != nil {
			return "", err
		}
		signed, err := note.Sign(&note.Note{Text: q.Note}, signer)
		return base64.StdEncoding.EncodeToString(signed), err
	}
	return "", fmt.Errorf("no such question: %s", q.Do)
}

// The text of a checkpoint that the key has signed.
func opened(q question) (string, error) {
	verifier, err := note.NewVerifier(q.Key)
	if err != nil {
		return "", err
	}
	n, err := note.Open([]byte(q.Note), note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

// From the signed checkpoint alone: the tiles must say its root, and the leaf at the index.
func tiles(q question) error {
	text, err := opened(q)
	if err != nil {
		return err
	}
	lines := strings.Split(text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, served(q.Tiles))
	again, err := tlog.TreeHash(size, reader)
	if err != nil {
		return err
	}
	if again != root {
		return fmt.Errorf("the tiles have another root")
	}
	leaf, err := tlog.ParseHash(q.Leaf)
	if err != nil {
		return err
	}
	// The reader of x/mod 0.7 leaves some full tiles unchecked where several hashes of the root lie in one tile, so what it read
	// is proved here once more.
	read, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, q.Index)})
	if err != nil {
		return err
	}
	if read[0] != leaf {
		return fmt.Errorf("the tiles have another leaf")
	}
	proof, err := tlog.ProveRecord(size, q.Index, reader)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, q.Index, leaf)
}

type served map[string]string

func (s served) Height() int { return 8 }

func (s served) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// Go has the height in the path, C2SP has not.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		text, there := s[path]
		if !there {
			return nil, fmt.Errorf("no tile %s", path)
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (s served) SaveTiles([]tlog.Tile, [][]byte) {}

func hashes(a, b string, list []string) (tlog.Hash, tlog.Hash, []tlog.Hash, error) {
	var parsed []tlog.Hash
	for _, text := range append([]string{a, b}, list...) {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return tlog.Hash{}, tlog.Hash{}, nil, err
		}
		parsed = append(parsed, hash)
	}
	return parsed[0], parsed[1], parsed[2:], nil
}
