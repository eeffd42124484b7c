package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-crypt/crypt/algorithm/shacrypt"
	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/keyring/password"
)

func (p *program) hashPasswordCommand() *cobra.Command {
	var sha512 bool
	cmd := &cobra.Command{
		Use:   "hash-password",
		Short: "Print the hash of a password, for --superuser-password-hash",
		Long: "Asks for a password twice without showing it, or reads one line from standard\n" +
			"input, and prints its argon2id hash; with --sha512 a crypt(3) $6$ string.",
		Example: "  gatehouse hash-password\n  printf '%s\\n' \"$PASSWORD\" | gatehouse hash-password --sha512",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plain, err := p.askPassword(cmd.Context())
			if err != nil {
				return err
			}
			hash, err := hashPassword(cmd, plain, sha512)
			if err != nil {
				return fmt.Errorf("hash password: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), hash)
			return err
		},
	}
	cmd.Flags().BoolVar(&sha512, "sha512", false, "print a sha512-crypt string ($6$)")
	return cmd
}

func hashPassword(cmd *cobra.Command, plain string, sha512 bool) (string, error) {
	if !sha512 {
		return password.New(password.Options{}).Hash(cmd.Context(), plain)
	}
	hasher, err := shacrypt.New(shacrypt.WithSHA512(), shacrypt.WithIterations(sha512Rounds))
	if err != nil {
		return "", err
	}
	digest, err := hasher.Hash(plain)
	if err != nil {
		return "", err
	}
	return digest.Encode(), nil
}

// sha512Rounds is passlib's default for sha512-crypt, so that such a string costs a
// guesser what the ones of DC/OS configurations do.
const sha512Rounds = 656000

// askPassword asks twice on a terminal; otherwise the first line of input is the
// password, without its line end.
func (p *program) askPassword(ctx context.Context) (string, error) {
	if in, _, _ := p.terminal(); !in {
		return readLine(p.stdin)
	}
	first, err := p.prompt(ctx, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.prompt(ctx, "Password (again): ")
	switch {
	case err != nil:
		return "", err
	case first != second:
		return "", errors.New("the passwords differ")
	case first == "":
		return "", errors.New("the password must not be empty")
	}
	return first, nil
}

func (p *program) prompt(ctx context.Context, text string) (string, error) {
	typed, err := p.readPassword(ctx, text)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return typed, nil
}

func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("the password must not be empty")
	}
	return line, nil
}
