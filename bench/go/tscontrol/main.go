// Command tscontrol is a control server, a DERP relay and a STUN server for two nodes of Tailscale in one rig, made of
// Tailscale's own test packages: no account and no network beyond the rig is needed.
//
// Every node may log in. The one named by -router serves the prefix -route, so that the other reaches hosts behind it.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stun"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

func main() {
	address := flag.String("address", "", "IPv4 address to serve on")
	router := flag.String("router", "", "host name of the node that serves the route")
	route := flag.String("route", "", "prefix of the route")
	flag.Parse()

	serveDERP(*address)
	go serveSTUN(*address)
	node := &tailcfg.DERPNode{
		Name: "1", RegionID: 1, HostName: *address, IPv4: *address, IPv6: "none",
		STUNPort: 3478, DERPPort: 8443, InsecureForTests: true, STUNTestIP: *address,
	}
	region := &tailcfg.DERPRegion{RegionID: 1, RegionCode: "rig", Nodes: []*tailcfg.DERPNode{node}}
	control := &testcontrol.Server{
		DERPMap:         &tailcfg.DERPMap{Regions: map[int]*tailcfg.DERPRegion{1: region}},
		ExplicitBaseURL: "http://" + *address + ":8080",
		AllOnline:       true,
		Logf:            func(string, ...any) {},
	}
	if *route != "" {
		prefix := netip.MustParsePrefix(*route)
		served := new(sync.Map) // of nodes' keys
		// The server holds its lock during the call.
		control.SetOnMapRequest(func(key.NodePublic) { go setRoute(control, served, *router, prefix) })
	}
	log.Fatal(http.ListenAndServe(*address+":8080", control))
}

// setRoute has the node of that name serve the prefix, once it has logged in.
func setRoute(control *testcontrol.Server, served *sync.Map, router string, prefix netip.Prefix) {
	for _, node := range control.AllNodes() {
		if !node.Hostinfo.Valid() || node.Hostinfo.Hostname() != router {
			continue
		}
		if _, isServed := served.LoadOrStore(node.Key, true); !isServed {
			control.SetSubnetRoutes(node.Key, []netip.Prefix{prefix})
		}
	}
}

// serveDERP starts a relay on port 8443. The nodes reach each other without it.
func serveDERP(address string) {
	relay := derpserver.New(key.NewNode(), func(string, ...any) {})
	server := httptest.NewUnstartedServer(derpserver.Handler(relay))
	server.Listener.Close()
	listener, err := net.Listen("tcp", address+":8443")
	if err != nil {
		log.Fatal(err)
	}
	server.Listener = listener
	server.StartTLS()
}

// serveSTUN answers binding requests on port 3478.
func serveSTUN(address string) {
	socket, err := net.ListenPacket("udp", address+":3478")
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		id, err := stun.ParseBindingRequest(buffer[:n])
		if err != nil {
			continue
		}
		source := from.(*net.UDPAddr).AddrPort()
		socket.WriteTo(stun.Response(id, netip.AddrPortFrom(source.Addr().Unmap(), source.Port())), from)
	}
}
