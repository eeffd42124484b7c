//go:build cgo

package autounseal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
)

const (
	ivSize  = 12  // bytes
	tagBits = 128 // of AES-GCM
)

// session is a logged-in session of the token, with the key that seals.
type session struct {
	lib    *pkcs11.Ctx
	handle pkcs11.SessionHandle
	key    pkcs11.ObjectHandle
	keyID  string
}

// connect makes a session unless there is one.
func (t *token) connect() error {
	if t.session != nil {
		return nil
	}
	if err := t.lib.Initialize(); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return fmt.Errorf("%w: the PKCS#11 library does not start: %w", ErrUnavailable, err)
	}
	s, err := t.newSession()
	if err != nil {
		_ = t.lib.Finalize() // many modules look for tokens only when they start
		return err
	}
	t.session = s
	t.keyID.Store(s.keyID)
	return nil
}

func (t *token) disconnect() {
	if t.session == nil {
		return
	}
	_ = t.lib.CloseSession(t.session.handle)
	_ = t.lib.Finalize()
	t.session = nil
}

func (t *token) newSession() (*session, error) {
	slot, err := t.findSlot()
	if err != nil {
		return nil, err
	}
	if err := t.canGCM(slot); err != nil {
		return nil, err
	}
	handle, err := t.lib.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, fmt.Errorf("%w: the PKCS#11 token opens no session: %w", ErrUnavailable, err)
	}
	s := &session{lib: t.lib, handle: handle}
	err = t.login(handle, slot)
	if err == nil {
		s.key, s.keyID, err = s.find(nil, t.o.Key)
	}
	if err == nil {
		err = s.prove(t.o.Key)
	}
	if err != nil {
		_ = t.lib.CloseSession(handle)
		return nil, err
	}
	return s, nil
}

// findSlot finds the one token of the label.
func (t *token) findSlot() (uint, error) {
	slots, err := t.lib.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("%w: list PKCS#11 tokens: %w", ErrUnavailable, err)
	}
	var found []uint
	var others []string
	for _, slot := range slots {
		info, err := t.lib.GetTokenInfo(slot)
		if err != nil {
			continue // being removed
		}
		label := strings.TrimRight(info.Label, "\x00 ")
		if label == t.o.Token {
			found = append(found, slot)
		} else if label != "" {
			others = append(others, label)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return 0, fmt.Errorf("%d PKCS#11 tokens have the label %q: give them labels of their own", len(found), t.o.Token)
	}
	slices.Sort(others)
	return 0, fmt.Errorf("%w: no PKCS#11 token has the label %q; there are: %q", ErrUnavailable, t.o.Token, others)
}

// canGCM checks that the token encrypts and decrypts with AES-GCM.
func (t *token) canGCM(slot uint) error {
	info, err := t.lib.GetMechanismInfo(slot, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, nil)})
	const both = pkcs11.CKF_ENCRYPT | pkcs11.CKF_DECRYPT
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_MECHANISM_INVALID)), err == nil && info.Flags&both != both:
		return fmt.Errorf("the PKCS#11 token %q cannot encrypt and decrypt with CKM_AES_GCM", t.o.Token)
	case err != nil:
		return fmt.Errorf("%w: ask the PKCS#11 token what it can: %w", ErrUnavailable, err)
	}
	return nil
}

// login gives the PIN, but never one that was refused, and not when a wrong one would lock the token.
func (t *token) login(handle pkcs11.SessionHandle, slot uint) error {
	pin, file, err := readPIN(t.o.PINFile)
	if err != nil {
		return errors.Join(ErrPIN, err)
	}
	if old := t.badPIN; old != nil && os.SameFile(old, file) && old.ModTime().Equal(file.ModTime()) && old.Size() == file.Size() {
		return fmt.Errorf("%w: it is not tried again before %s changes", ErrPIN, t.o.PINFile)
	}
	info, err := t.lib.GetTokenInfo(slot)
	if err != nil {
		return fmt.Errorf("%w: ask the PKCS#11 token for its state: %w", ErrUnavailable, err)
	}
	if info.Flags&(pkcs11.CKF_USER_PIN_FINAL_TRY|pkcs11.CKF_USER_PIN_LOCKED) != 0 {
		return fmt.Errorf("%w: one more wrong PIN would lock the token %q, or it is locked; log in by hand with the right one first", ErrPIN, t.o.Token)
	}
	err = t.lib.Login(handle, pkcs11.CKU_USER, pin)
	code, _ := errors.AsType[pkcs11.Error](err)
	switch code {
	case pkcs11.CKR_OK, pkcs11.CKR_USER_ALREADY_LOGGED_IN:
		t.badPIN = nil
		return nil
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_USER_PIN_NOT_INITIALIZED:
		t.badPIN = file
		return fmt.Errorf("%w in %s: %w; it is not tried again before the file changes", ErrPIN, t.o.PINFile, err)
	}
	return fmt.Errorf("%w: log in to the PKCS#11 token: %w", ErrUnavailable, err)
}

// find looks a key up by its label and, unless it is empty, its CKA_ID.
func (s *session) find(id []byte, label string) (pkcs11.ObjectHandle, string, error) {
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}
	if len(id) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	}
	handles, err := s.search(template)
	switch {
	case err != nil:
		return 0, "", fmt.Errorf("%w: look for a key in the PKCS#11 token: %w", ErrUnavailable, err)
	case len(handles) == 0:
		return 0, "", fmt.Errorf("%w: the PKCS#11 token has no secret key %q", ErrKeyMissing, tokenKeyID(id, label))
	case len(handles) > 1:
		return 0, "", fmt.Errorf("the PKCS#11 token has several secret keys %q: give them labels of their own", tokenKeyID(id, label))
	}
	id, err = s.checkKey(handles[0], label)
	return handles[0], tokenKeyID(id, label), err
}

// unfit are the codes by which a module says that a key will never do what is asked of it.
var unfit = []pkcs11.Error{pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_KEY_TYPE_INCONSISTENT,
	pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID}

// prove makes sure that the key seals and opens in this session. What fails later is then not for want of that: modules use
// the same codes for a damaged blob and a damaged token.
func (s *session) prove(label string) error {
	probe := []byte("gatehouse")
	blob, err := s.seal(nil, probe)
	if err == nil {
		var payload, got []byte
		if _, _, payload, err = split(blob); err == nil {
			got, err = s.open(s.keyID, blob[:len(blob)-len(payload)], payload)
		}
		if err == nil && !bytes.Equal(got, probe) {
			err = errors.New("it does not open what it sealed")
		}
	}
	code, _ := errors.AsType[pkcs11.Error](err)
	switch {
	case err == nil:
		return nil
	case slices.Contains(unfit, code):
		return fmt.Errorf("the PKCS#11 key %q cannot be used with CKM_AES_GCM: %w", label, err)
	}
	return fmt.Errorf("%w: try the PKCS#11 key %q: %w", ErrUnavailable, label, err)
}

func (s *session) search(template []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := s.lib.FindObjectsInit(s.handle, template); err != nil {
		return nil, err
	}
	handles, _, err := s.lib.FindObjects(s.handle, 2)
	return handles, errors.Join(err, s.lib.FindObjectsFinal(s.handle))
}

// checkKey refuses keys that are not for AES or may not both encrypt and decrypt, and returns the CKA_ID.
func (s *session) checkKey(key pkcs11.ObjectHandle, label string) ([]byte, error) {
	values, err := s.lib.GetAttributeValue(s.handle, key, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, nil),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, nil), pkcs11.NewAttribute(pkcs11.CKA_ID, nil),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: ask the PKCS#11 token about its key: %w", ErrUnavailable, err)
	}
	aes := pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES).Value
	yes := func(b []byte) bool { return len(b) == 1 && b[0] != 0 }
	switch {
	case !slices.Equal(values[0].Value, aes):
		return nil, fmt.Errorf("the PKCS#11 key %q is not an AES key", label)
	case !yes(values[1].Value) || !yes(values[2].Value):
		return nil, fmt.Errorf("the PKCS#11 key %q may not both encrypt and decrypt (CKA_ENCRYPT, CKA_DECRYPT)", label)
	}
	return values[3].Value, nil
}

// seal encrypts under a random IV of ours. Some tokens insist on one of their own, and tell it afterwards.
func (s *session) seal(ad, plaintext []byte) ([]byte, error) {
	head, err := header(NamePKCS11, s.keyID)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, ivSize)
	rand.Read(iv)
	params := pkcs11.NewGCMParams(iv, bind(head, ad), tagBits)
	defer params.Free()
	if err := s.lib.EncryptInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, s.key); err != nil {
		return nil, fmt.Errorf("encrypt with the PKCS#11 token: %w", err)
	}
	sealed, err := s.lib.Encrypt(s.handle, plaintext)
	if err != nil {
		return nil, fmt.Errorf("encrypt with the PKCS#11 token: %w", err)
	}
	if iv = params.IV(); len(iv) != ivSize {
		return nil, fmt.Errorf("the PKCS#11 token encrypted with an IV of %d bytes, want %d", len(iv), ivSize)
	}
	return slices.Concat(head, iv, sealed), nil
}

// open decrypts with the key that sealed, which need not be the one that seals now.
func (s *session) open(keyID string, bound, payload []byte) ([]byte, error) {
	if len(payload) < ivSize+tagBits/8 {
		return nil, fmt.Errorf("%w: cut off", ErrBlob)
	}
	key := s.key
	if keyID != s.keyID {
		id, label, err := parseTokenKeyID(keyID)
		if err != nil {
			return nil, err
		}
		if key, _, err = s.find(id, label); err != nil {
			return nil, err
		}
	}
	params := pkcs11.NewGCMParams(payload[:ivSize], bound, tagBits)
	defer params.Free()
	if err := s.lib.DecryptInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, key); err != nil {
		return nil, fmt.Errorf("decrypt with the PKCS#11 token: %w", err)
	}
	plaintext, err := s.lib.Decrypt(s.handle, payload[ivSize:])
	if err != nil {
		return nil, fmt.Errorf("decrypt with the PKCS#11 token: %w", err)
	}
	return plaintext, nil
}
