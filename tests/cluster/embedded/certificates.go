package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Who talks to the API server, by the names that Kubernetes' own RBAC rules are bound to.
// https://kubernetes.io/docs/setup/best-practices/certificates/
var clients = map[string]pkix.Name{
	"admin":                   {CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
	"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
	"kube-scheduler":          {CommonName: "system:kube-scheduler"},
	"kube-proxy":              {CommonName: "system:kube-proxy"},
	"kubelet":                 {CommonName: "system:node:node", Organization: []string{"system:nodes"}},
	"apiserver-kubelet":       {CommonName: "kube-apiserver-kubelet", Organization: []string{"system:masters"}},
	"coredns":                 {CommonName: "system:coredns"},
}

// certificates writes an authority, the API server's certificate, one for each client, and the key that signs tokens of
// service accounts, into the folder that is its argument. The addresses after it are the API server's and the kubelet's.
func certificates() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: certificates FOLDER ADDRESS...")
		os.Exit(2)
	}
	if err := writeCertificates(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		os.Exit(1)
	}
}

type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func writeCertificates(folder string, addresses []string) error {
	key, err := newKey(folder, "ca")
	if err != nil {
		return err
	}
	root := template(pkix.Name{CommonName: "embedded"})
	root.IsCA, root.BasicConstraintsValid = true, true
	root.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	ca := authority{folder, root, key}
	if err := ca.issue("ca", root, key); err != nil {
		return err
	}
	server := template(pkix.Name{CommonName: "kube-apiserver"})
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost", "node", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	for _, address := range addresses {
		server.IPAddresses = append(server.IPAddresses, net.ParseIP(address))
	}
	if err := ca.issueWithNewKey("server", server); err != nil {
		return err
	}
	for name, subject := range clients {
		client := template(subject)
		client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if err := ca.issueWithNewKey(name, client); err != nil {
			return err
		}
	}
	_, err = newKey(folder, "service-account")
	return err
}

func template(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // no randomness: nothing can be done
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func (ca authority) issueWithNewKey(name string, certificate *x509.Certificate) error {
	key, err := newKey(ca.folder, name)
	if err != nil {
		return err
	}
	return ca.issue(name, certificate, key)
}

func (ca authority) issue(name string, certificate *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, certificate, ca.certificate, &key.PublicKey, ca.key)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(ca.folder, name+".crt"), "CERTIFICATE", der)
}

func newKey(folder, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(filepath.Join(folder, name+".key"), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
