package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	ldapConfigPath = iamPrefix + "/ldap/config"
	ldapSyncPath   = adminPrefix + "/ldap/sync"
)

// How long a master may take beyond what it needs otherwise: to ask servers of others, to import a group, to synchronise.
const (
	askOthers    = 20 * time.Second
	importGroup  = 5 * time.Minute
	synchronised = 12 * time.Minute
)

// Directory reads the configuration of the LDAP directory, with its secrets. When there is none: ERR_LDAP_CONFIG_NOT_AVAILABLE. This and all
// about the directory needs a superuser.
func (c *Client) Directory(ctx context.Context) (Directory, error) {
	var d directoryBody
	err := c.send(ctx, http.MethodGet, ldapConfigPath, nil, &d)
	return Directory(d), err
}

// PutDirectory configures the LDAP directory. Whatever was configured before is replaced by it as a whole. What cannot work is
// ERR_LDAP_CONFIG_INVALID; the directory is not asked (TestDirectory does). The warning is a sentence about what the configuration leaves
// open to others on the network; "" when the masters see nothing of the kind.
func (c *Client) PutDirectory(ctx context.Context, d Directory) (warning string, err error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodPut, Path: ldapConfigPath, Body: directoryBody(d)})
	if err != nil {
		return "", err
	}
	return answer.Header.Get("X-Gatehouse-Warning"), nil
}

// DeleteDirectory drops the configuration. Users and groups of the directory stay, and the users cannot log in; a superuser who can
// stays (ERR_NO_MORE_SUPERUSERS).
func (c *Client) DeleteDirectory(ctx context.Context) error {
	return c.send(ctx, http.MethodDelete, ldapConfigPath, nil, nil)
}

// TestDirectory lets a master log somebody in to the directory, without any consequence for the cluster.
func (c *Client) TestDirectory(ctx context.Context, uid, password string) (DirectoryTest, error) {
	var t DirectoryTest
	answer, err := c.Do(ctx, Request{Method: http.MethodPost, Path: ldapConfigPath + "/test", Into: &t, wait: askOthers,
		Body: map[string]string{"uid": uid, "password": password}, answered: isDirectoryTest})
	if err != nil {
		return t, err
	}
	t.Reached = answer.Status == http.StatusOK
	return t, nil
}

// isDirectoryTest reports whether a refusal is a result of a test: a gateway in between would not answer so (contract 4.4).
func isDirectoryTest(answer *Response) bool {
	var t struct{ Code, Title string }
	return answer.Status == http.StatusBadGateway && json.Unmarshal(answer.Body, &t) == nil && t.Code != "" && t.Title == ""
}

// ImportUser makes a user of somebody in the directory, before the first login does (ERR_USER_EXISTS, ERR_LDAP_IMPORT_USER_NOT_FOUND). It
// returns the uid, which the directory may spell otherwise.
func (c *Client) ImportUser(ctx context.Context, username string) (uid string, err error) {
	answer, err := c.Do(ctx, Request{Method: http.MethodPost, Path: iamPrefix + "/ldap/importuser", Body: map[string]string{"username": username}, wait: askOthers})
	if err != nil {
		return "", err
	}
	return made(answer, username), nil
}

// made is the id of what was made, which may be spelt otherwise than what was asked for.
func made(answer *Response, asked string) string {
	location := answer.Header.Get("Location")
	if id := location[strings.LastIndexByte(location, '/')+1:]; id != "" {
		return id
	}
	return asked
}

// ImportGroup makes a group of one in the directory, and users of its members (ERR_GROUP_EXISTS, ERR_LDAP_IMPORT_GROUP_NOT_FOUND). It takes
// a while for a large group; what the masters' time limit leaves over is told by GroupImport.
func (c *Client) ImportGroup(ctx context.Context, groupname string) (GroupImport, error) {
	var imported struct {
		Users int `json:"imported_user_count"`
	}
	answer, err := c.Do(ctx, Request{Method: http.MethodPost, Path: iamPrefix + "/ldap/importgroup", Body: map[string]string{"groupname": groupname},
		Into: &imported, wait: importGroup})
	if err != nil {
		return GroupImport{}, err
	}
	return GroupImport{GID: made(answer, groupname), Users: imported.Users, Partial: answer.Status == http.StatusAccepted}, nil
}

// SyncDirectory brings users and groups that came from the directory in line with it now. Where much would be removed at once the masters
// refuse (ERR_CONFLICT), unless force is set.
func (c *Client) SyncDirectory(ctx context.Context, force bool) (DirectorySync, error) {
	var s DirectorySync
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: ldapSyncPath, Body: map[string]bool{"force": force}, Into: &s, wait: synchronised})
	return s, err
}

// SyncStatus says what became of the last synchronisation since the leader leads.
func (c *Client) SyncStatus(ctx context.Context) (DirectorySyncStatus, error) {
	var s DirectorySyncStatus
	return s, c.send(ctx, http.MethodGet, ldapSyncPath, nil, &s)
}
