"""Fail-overs of real Redis Sentinels: three of them with a quorum of two, a master and a replica."""

import json
import pathlib
import shutil
import signal
import tempfile
import time

import redis

import certificates
import harness
from harness import SERVER_NAME, body_line, ev_row, rdata, wait_until

KEYWORD = "modules: [{module: keywords, config: {patterns: [spam]}}]"
EVENTS = 4000


class Sentinels(harness.Server):
    """Subclasses may set what every server and sentinel is started with, and how the test connects to them."""

    server_lines = ()
    sentinel_lines = ()
    client_options = {}
    sentinel_client_options = {}
    listen = "port"
    more = ""  # of the section `redis`
    more_of_sentinel = ""

    def start_redis(self, wait=True):
        self.ports = [harness.free_port() for _ in range(2)]
        self.servers = {}
        for port in self.ports:
            self.start_server(port)
        self.redis = self.client(self.ports[0])
        self.client(self.ports[1]).replicaof("127.0.0.1", self.ports[0])
        wait_until(lambda: self.client(self.ports[1]).info("replication")["master_link_status"] == "up", what="the replica")
        self.sentinels = {}
        for place in range(3):
            self.start_sentinel(place)
        for port in self.sentinels:
            sentinel = self.client(port)
            wait_until(lambda: sentinel.sentinel_master("mymaster")["num-other-sentinels"] == 2 and
                       sentinel.sentinel_master("mymaster")["num-slaves"] == 1, what="the sentinels' knowledge")

    def start_server(self, port):
        self.servers[port] = self.start(
            ["redis-server", self.write(f"redis-{port}.conf", "\n".join(
                ["port 0", f"{self.listen} {port}", "save ''", f"dir {self.folder}", "repl-diskless-sync-delay 0",
                 *self.server_lines]))], stdout=open(self.folder / f"redis-{port}.log", "ab"))
        wait_until(lambda: self.answers(port), what="redis-server")

    def answers(self, port):
        try:
            return self.client(port).ping()
        except redis.RedisError:
            return False

    def client(self, port):
        options = self.client_options if port in self.ports else self.sentinel_client_options
        return redis.Redis(port=port, socket_timeout=2, **options)

    def start_sentinel(self, place):
        port = harness.free_port()
        path = self.write(f"sentinel-{place}.conf", f"""port 0
{self.listen} {port}
dir {self.folder}
sentinel monitor mymaster 127.0.0.1 {self.ports[0]} 2
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 5000
""" + "\n".join(self.sentinel_lines) + "\n")
        self.sentinels[port] = self.start(["redis-server", path, "--sentinel"],
                                          stdout=open(self.folder / f"sentinel-{place}.log", "ab"))
        wait_until(lambda: self.answers(port), what="a sentinel")

    def master_port(self):
        for port in self.sentinels:
            try:
                return int(self.client(port).sentinel_get_master_addr_by_name("mymaster")[1])
            except redis.RedisError:
                continue
        raise AssertionError("no sentinel answers")

    def master(self):
        return self.client(self.master_port())

    def section(self):
        sentinels = ", ".join(f"'127.0.0.1:{port}'" for port in self.sentinels)
        return (f"{{sentinel: {{master_name: mymaster, sentinels: [{sentinels}]{self.more_of_sentinel}}}"
                f"{self.more}}}")

    def begin(self, section=None):
        self.write("bodies.jsonl", "".join(body_line(f"${number}", body="spam") + "\n" for number in range(1, EVENTS)))
        engine = self.start_engine(self.configuration("bodies: {file: bodies.jsonl}", KEYWORD, section or self.section()))
        return engine

    def judged(self):
        return [json.loads(row)["event_id"] for _, row in self.durable()]

    def subscriber_address(self, engine):
        lines = [line for line in self.logged(engine, "connected to Redis") if line["link"] == "subscriber"]
        return lines[-1]["address"]

    def fail_over_under_traffic(self, engine, strike):
        """Publishes one event after the other while `strike` happens, each until the engine has judged it."""
        old = self.master_port()
        for number in range(1, 200):
            self.judge_one(engine, number)
            if number == 100:
                # So that what is lost is what came at the strike, however late the replica was before.
                wait_until(lambda: self.master().wait(1, 1000) == 1, what="the replica's word for what came so far")
                strike()
        wait_until(lambda: self.master_port() != old)
        self.redis = self.master()
        self.judge_one(engine, 200)
        wait_until(lambda: f":{self.master_port()}/0" in self.subscriber_address(engine))

    def judge_one(self, engine, number):
        """As a writer of Synapse: it connects to whoever is the master, and says where it stands."""
        def judged():
            try:
                master = self.master()
                master.publish(SERVER_NAME, f"POSITION events persister1 {number - 1} {number - 1}")
                master.publish(SERVER_NAME, rdata(number, ev_row(f"${number}")))
                self.redis = master
                return self.metric(engine, "weir_events_judged_total") >= number
            except redis.RedisError:
                return False
        wait_until(judged, seconds=30, what=f"the verdict of event {number}")


class FailOver(Sentinels):
    def told_of_a_loss(self, engine):
        return [line for line in self.log_lines(engine) if "older data" in line["message"]]

    def check_durable(self, engine):
        # The last event is judged at once, but its row may wait for the command connection to find the new master.
        wait_until(lambda: "$200" in self.judged() or self.told_of_a_loss(engine), what="the last event's row")
        rows = self.durable()
        tokens = [token for token, _ in rows]
        self.assertEqual(tokens, sorted(set(tokens)), "tokens rise, and none is there twice")
        events = [json.loads(row)["event_id"] for _, row in rows]
        self.assertEqual(len(events), len(set(events)), "no event is there twice")
        published = {f"${number}" for number in range(1, 201)}
        self.assertEqual(self.metric(engine, "weir_events_judged_total"), len(published))
        # What the old master acknowledged and the new one never got is lost to both, and the engine has nobody here to
        # fetch it from; that it noticed is in its log.
        lost = published - set(events)
        self.assertLess(len(lost), 100)
        if lost:
            wait_until(lambda: self.told_of_a_loss(engine), what=f"word of the loss of {lost}")

    def test_the_master_is_killed(self):
        engine = self.begin()
        self.fail_over_under_traffic(engine, lambda: self.servers[self.master_port()].kill())
        self.check_durable(engine)
        self.assertEqual(self.http(engine, "/readyz")[0], 200)
        self.stop_engine(engine)

    def test_a_fail_over_by_hand_makes_the_master_a_replica(self):
        engine = self.begin()
        old = self.master_port()
        self.fail_over_under_traffic(engine, lambda: self.client(next(iter(self.sentinels))).execute_command(
            "SENTINEL", "FAILOVER", "mymaster"))
        self.check_durable(engine)
        wait_until(lambda: self.client(old).info("replication")["role"] == "slave")
        self.assertEqual(self.client(old).pubsub_numsub(SERVER_NAME)[0][1], 0, "nobody listens at the old master")
        self.stop_engine(engine)

    def test_sentinels_that_hang_or_are_gone(self):
        ports = list(self.sentinels)
        self.sentinels[ports[0]].send_signal(signal.SIGSTOP)
        self.sentinels[ports[1]].kill()
        self.sentinels[ports[1]].wait()
        engine = self.begin()
        self.judge_one(engine, 1)
        self.sentinels[ports[0]].kill()
        self.sentinels[ports[2]].kill()
        # Without sentinels the master that is known serves on.
        self.redis.publish(SERVER_NAME, rdata(2, ev_row("$2")))
        wait_until(lambda: self.judged() == ["$1", "$2"])
        time.sleep(3)
        self.assertEqual(self.http(engine, "/readyz")[0], 200)
        self.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        line = wait_until(lambda: [line for line in self.logged(engine, "no connection to Redis, trying again")
                                   if "none of the 3 sentinels" in line["reason"]])[0]
        self.assertIn("where the master mymaster is", line["reason"])
        self.assertIn("Connection refused", line["reason"])
        self.stop_engine(engine)

    def test_a_name_that_the_sentinels_do_not_know(self):
        engine = self.start_engine(self.configuration(modules="modules: []", redis_text=self.section().replace(
            "mymaster", "yourmaster")), ready=False)
        line = wait_until(lambda: self.logged(engine, "no connection to Redis, trying again"))[0]
        self.assertIn("it knows no master of that name", line["reason"])
        self.stop_engine(engine)


class Secured(Sentinels):
    """TLS everywhere, and passwords: one for the servers, another for the sentinels."""

    listen = "tls-port"

    def setUp(self):
        self.keys = pathlib.Path(tempfile.mkdtemp(prefix="weir-certificates."))
        self.addCleanup(shutil.rmtree, self.keys)
        authority = certificates.Authority(self.keys)
        certificate, key = authority.issue("server")
        tls = (f"tls-cert-file {certificate}", f"tls-key-file {key}", f"tls-ca-cert-file {authority.certificate}",
               "tls-replication yes", "tls-auth-clients no")
        self.server_lines = (*tls, "requirepass s3rver", "masterauth s3rver")
        self.sentinel_lines = (*tls, "sentinel auth-pass mymaster s3rver", "requirepass s3ntinel")
        secure = {"ssl": True, "ssl_ca_certs": str(authority.certificate)}
        self.client_options = {**secure, "password": "s3rver"}
        self.sentinel_client_options = {**secure, "password": "s3ntinel"}
        self.more = f", use_tls: true, ca_file: {authority.certificate}, password: s3rver"
        self.more_of_sentinel = ", password: s3ntinel"
        super().setUp()

    def test_the_master_is_killed(self):
        engine = self.begin()
        self.judge_one(engine, 1)
        old = self.master_port()
        self.servers[old].kill()
        wait_until(lambda: self.master_port() != old)
        self.judge_one(engine, 2)
        wait_until(lambda: f":{self.master_port()}/0" in self.subscriber_address(engine))
        self.stop_engine(engine)

    def test_a_wrong_password_of_the_sentinels(self):
        engine = self.start_engine(self.configuration(modules="modules: []", redis_text=self.section().replace(
            "s3ntinel", "wrong")), ready=False)
        line = wait_until(lambda: self.logged(engine, "no connection to Redis, trying again"))[0]
        self.assertIn("WRONGPASS", line["reason"])
        self.stop_engine(engine)


class Partition(Sentinels):
    """The sentinels and the replica lose the master; the engine does not."""

    def test_an_old_master_that_only_the_engine_sees_is_left(self):
        engine = self.begin()
        self.judge_one(engine, 1)
        old = self.master_port()
        # To a frozen master's sentinels it is dead, while its clients' connections stay open: what a partition looks like.
        self.servers[old].send_signal(signal.SIGSTOP)
        wait_until(lambda: self.master_port() != old)
        wait_until(lambda: f":{self.master_port()}/0" in self.subscriber_address(engine), seconds=10)
        self.judge_one(engine, 2)
        reasons = {line["reason"] for line in self.logged(engine, "no connection to Redis, trying again")}
        self.assertIn("the sentinels name another master", reasons)
        self.stop_engine(engine)


