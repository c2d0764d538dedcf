"""A TCP proxy with bad manners: it stands between two processes and drops, stalls, slows, refuses or silently forgets
their connections. Bytes are never lost on a connection that goes on: TCP does not do that either."""

import asyncio
import socket
import struct
import threading

CHUNK = 65536
SLOW_CHUNK = 256
SLOW_PAUSE = 0.01


class Connection:
    def __init__(self, client, server):
        self.writers = [client, server]
        self.forgotten = False

    def open_transports(self):
        return [writer.transport for writer in self.writers if writer and not writer.transport.is_closing()]

    def abort(self):
        """Closes both ends with a RST, as a process does that is killed with unread input."""
        for transport in self.open_transports():
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def close(self):
        """What was taken is delivered first."""
        for transport in self.open_transports():
            transport.close()


class Proxy:
    """One listening port and where it leads. Made and told by any thread; works in that of Proxies."""

    def __init__(self, proxies, name, target):
        self.proxies = proxies
        self.name = name
        self.target = target  # (host, port), or the path of a unix socket
        self.mode = "forward"
        self.connections = set()
        self.port = proxies.call(self.listen())

    async def listen(self):
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        connection = Connection(writer, None)
        self.connections.add(connection)
        try:
            if self.mode == "refuse":
                return
            if self.mode == "forget":
                connection.forgotten = True
                await reader.read(-1)  # accepted; what it says goes nowhere
                return
            if isinstance(self.target, tuple):
                up_reader, up_writer = await asyncio.open_connection(*self.target)
            else:
                up_reader, up_writer = await asyncio.open_unix_connection(self.target)
            connection.writers[1] = up_writer
            pumps = [asyncio.ensure_future(self.pump(connection, reader, up_writer)),
                     asyncio.ensure_future(self.pump(connection, up_reader, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        except OSError:
            pass
        finally:
            if not connection.forgotten:
                connection.close()
                self.connections.discard(connection)

    async def pump(self, connection, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                await self.may_go_on.wait()
                if connection.forgotten:
                    return  # neither side is told
                while self.mode == "slow" and len(data) > SLOW_CHUNK:
                    writer.write(data[:SLOW_CHUNK])
                    data = data[SLOW_CHUNK:]
                    await asyncio.sleep(SLOW_PAUSE)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass

    # What others call.

    def set_mode(self, mode):
        """forward; slow; stall (nothing moves, and all of it later); refuse (new connections); forget (new ones are
        accepted and never served)."""
        def change():
            self.mode = mode
            if mode == "stall":
                self.may_go_on.clear()
            else:
                self.may_go_on.set()
        self.proxies.run(change)

    def drop(self):
        """Ends every connection, forgotten ones too."""
        def change():
            for connection in list(self.connections):
                connection.abort()
                self.connections.discard(connection)
        self.proxies.run(change)

    def forget(self):
        """Half-open: what is connected stays so, and nothing moves on it any more; the server sees it end."""
        def change():
            for connection in self.connections:
                connection.forgotten = True
                if connection.writers[1]:
                    connection.writers[1].transport.abort()
        self.proxies.run(change)

    def local_ports(self):
        """The ports that the server sees our connections come from."""
        def find():
            ports = [writer.transport.get_extra_info("sockname") for connection in self.connections
                     for writer in connection.writers[1:] if writer]
            return {name[1] for name in ports if isinstance(name, tuple)}
        return self.proxies.run(find)


class Proxies:
    """The thread of all proxies."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def run(self, function):
        async def call():
            return function()
        return self.call(call())

    def add(self, name, target):
        return Proxy(self, name, target)

    def close(self):
        def stop():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_soon(self.loop.stop)
        self.loop.call_soon_threadsafe(stop)
        self.thread.join(5)
