#!/bin/sh
# Runs a real Apache Kafka for tests: KRaft, one JVM, loopback, no containers.
#
#   apache.sh start    start it if it does not run; prints host:port
#   apache.sh stop     end it
#   apache.sh status   prints host:port and exits 0 if it runs
#
# SLIPHOST_KAFKA_PORT   port, 29092 by default; the controller takes the next
# SLIPHOST_KAFKA_CACHE  where jars and data are kept, .cache/kafka by default
#
# The jars come from Maven's repository once. Data of an earlier run is
# removed at start.
set -eu

version=4.4.0
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${SLIPHOST_KAFKA_CACHE:-$root/.cache/kafka}
port=${SLIPHOST_KAFKA_PORT:-29092}
controller=$((port + 1))
addr=127.0.0.1:$port
jars=$cache/jars-$version
run=$cache/run-$port
pidfile=$run/pid

say() { printf '%s\n' "$*" >&2; }
die() {
	say "kafka: $*"
	exit 1
}

alive() {
	[ -f "$pidfile" ] || return 1
	pid=$(cat "$pidfile")
	[ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
	# A pid may have been given to somebody else since.
	tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "kafka.Kafka $run/server.properties" && return 0
	[ ! -d /proc ] && ps -p "$pid" -o command= | grep -q kafka.Kafka
}

answers() {
	java -Xmx64m -XX:TieredStopAtLevel=1 -Xshare:auto -cp "$jars/*" \
		org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server "$addr" >/dev/null 2>&1
}

# ready asks for metadata as any client would: request 3 version 0 with no
# topics named, by bash or python where there is one, else by Kafka's tool.
ready() {
	if command -v python3 >/dev/null 2>&1; then
		python3 - "$port" <<'PY' 2>/dev/null
import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2)
s.settimeout(2)
body = struct.pack(">hhih", 3, 1, 7, 4) + b"test" + struct.pack(">i", 0)
s.sendall(struct.pack(">i", len(body)) + body)
def read(n):
    b = b""
    while len(b) < n:
        c = s.recv(n - len(b))
        if not c:
            sys.exit(1)
        b += c
    return b
n, = struct.unpack(">i", read(4))
corr, brokers = struct.unpack(">ii", read(n)[:8])
sys.exit(0 if corr == 7 and brokers == 1 else 1)
PY
	else
		answers
	fi
}

download() {
	[ -f "$jars/.complete" ] && return 0
	command -v mvn >/dev/null 2>&1 || die "mvn is missing: install Maven (package maven) to fetch Apache Kafka $version"
	say "kafka: fetching Apache Kafka $version (45 MB)"
	rm -rf "$jars.part"
	mkdir -p "$jars.part"
	cat >"$jars.part/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sliphost</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
XML
	mvn -q -B -f "$jars.part/pom.xml" dependency:copy-dependencies \
		-DoutputDirectory="$jars.part" -DincludeScope=runtime >"$cache/mvn.log" 2>&1 ||
		die "Maven could not fetch it: $(grep -m1 ERROR "$cache/mvn.log" || tail -n1 "$cache/mvn.log")"
	rm -f "$jars.part/pom.xml"
	touch "$jars.part/.complete"
	rm -rf "$jars"
	mv "$jars.part" "$jars"
}

start() {
	if alive && ready; then
		echo "$addr"
		return 0
	fi
	command -v java >/dev/null 2>&1 || die "java is missing: install a Java runtime 17 or newer (package openjdk-17-jre-headless)"
	major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n1)
	[ "${major:-0}" -ge 17 ] || die "java is version ${major:-unknown}: Apache Kafka $version needs 17 or newer"
	mkdir -p "$cache"
	download
	if alive; then stop; fi
	if ready; then die "something else answers at $addr: choose another SLIPHOST_KAFKA_PORT"; fi
	rm -rf "$run"
	mkdir -p "$run"
	cat >"$run/server.properties" <<PROPS
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$run/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPS
	id=$(head -c16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
	java -Xmx64m -XX:TieredStopAtLevel=1 -cp "$jars/*" kafka.tools.StorageTool format \
		-t "$id" -c "$run/server.properties" >"$run/format.log" 2>&1 ||
		die "formatting its storage failed: $(tail -n1 "$run/format.log")"
	# Its own session, so that a signal to the terminal does not end it.
	detach=
	command -v setsid >/dev/null 2>&1 && detach=setsid
	$detach java -Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" \
		kafka.Kafka "$run/server.properties" >"$run/kafka.log" 2>&1 </dev/null &
	echo $! >"$pidfile"
	n=0
	until ready; do
		n=$((n + 1))
		alive || [ $n -lt 10 ] || die "it ended while starting: $(tail -n1 "$run/kafka.log")"
		if [ $n -gt 300 ]; then
			stop
			die "no metadata within 60 s; see $run/kafka.log"
		fi
		sleep 0.2
	done
	echo "$addr"
}

stop() {
	alive || {
		rm -f "$pidfile"
		return 0
	}
	pid=$(cat "$pidfile")
	kill "$pid" 2>/dev/null || true
	n=0
	while kill -0 "$pid" 2>/dev/null; do
		n=$((n + 1))
		if [ $n -gt 100 ]; then
			kill -9 "$pid" 2>/dev/null || true
			break
		fi
		sleep 0.1
	done
	rm -f "$pidfile"
}

case ${1:-} in
start) start ;;
stop) stop ;;
status)
	if alive && ready; then
		echo "$addr"
	else
		say "kafka: not running at $addr"
		exit 1
	fi
	;;
*)
	say "usage: apache.sh start|stop|status"
	exit 2
	;;
esac
