// Command gonet is wireguard-go with its own network stack (gVisor) behind a SOCKS5 proxy (CONNECT, IPv4) and one port
// inside the tunnel: the data path of wireproxy, from modules that the Go proxy serves.
//
// Its settings are in the environment: PRIVATE_KEY and PEER (base64), ENDPOINT, ADDRESS (inside the tunnel), SOCKS
// (address and port), INSIDE (a port of ADDRESS) and OUTSIDE (where connections to that port go).
package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

const mtu = 1420

func main() {
	address := netip.MustParseAddr(os.Getenv("ADDRESS"))
	tun, stack, err := netstack.CreateNetTUN([]netip.Addr{address}, nil, mtu)
	if err != nil {
		log.Fatal(err)
	}
	engine := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	settings := fmt.Sprintf(
		"private_key=%s\npublic_key=%s\nendpoint=%s\nallowed_ip=0.0.0.0/0\npersistent_keepalive_interval=5\n",
		hexKey("PRIVATE_KEY"), hexKey("PEER"), os.Getenv("ENDPOINT"))
	if err := engine.IpcSet(settings); err != nil {
		log.Fatal(err)
	}
	if err := engine.Up(); err != nil {
		log.Fatal(err)
	}
	inside, err := stack.ListenTCPAddrPort(netip.MustParseAddrPort(os.Getenv("ADDRESS") + ":" + os.Getenv("INSIDE")))
	if err != nil {
		log.Fatal(err)
	}
	go serve(inside, forward)
	socks, err := net.Listen("tcp", os.Getenv("SOCKS"))
	if err != nil {
		log.Fatal(err)
	}
	serve(socks, func(client net.Conn) { proxy(client, stack) })
}

// hexKey returns a key of the environment as the UAPI writes it.
func hexKey(name string) string {
	key, err := base64.StdEncoding.DecodeString(os.Getenv(name))
	if err != nil {
		log.Fatal(err)
	}
	return hex.EncodeToString(key)
}

func serve(listener net.Listener, handle func(net.Conn)) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go handle(client)
	}
}

// forward connects a client inside the tunnel to the host outside.
func forward(client net.Conn) {
	host, err := net.Dial("tcp", os.Getenv("OUTSIDE"))
	if err != nil {
		client.Close()
		return
	}
	splice(client, host)
}

// proxy serves one client of the SOCKS5 proxy (RFC 1928).
func proxy(client net.Conn, stack *netstack.Net) {
	request := make([]byte, 10)
	if _, err := io.ReadFull(client, request[:3]); err != nil {
		client.Close()
		return
	}
	client.Write([]byte{5, 0})
	if _, err := io.ReadFull(client, request); err != nil || request[3] != 1 {
		client.Close()
		return
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(request[4:8])), uint16(request[8])<<8|uint16(request[9]))
	far, err := stack.DialContextTCPAddrPort(context.Background(), to)
	if err != nil {
		client.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		client.Close()
		return
	}
	client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(client, far)
}

// splice copies both ways until one of them ends.
func splice(a, b net.Conn) {
	done := make(chan struct{}, 2)
	copyTo := func(to, from net.Conn) {
		io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		done <- struct{}{}
	}
	go copyTo(a, b)
	go copyTo(b, a)
	<-done
	<-done
	a.Close()
	b.Close()
}
