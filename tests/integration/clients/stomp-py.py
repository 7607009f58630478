"""Exercises stomp.py against the server named on the command line; prints the results as JSON."""
import json
import queue
import sys
import uuid

import stomp

kind, version, host, port = sys.argv[1:5]
WAIT = 10


class Listener(stomp.ConnectionListener):
    """Puts all events into queues that can be awaited."""

    def __init__(self):
        self.messages, self.receipts, self.errors = queue.Queue(), queue.Queue(), queue.Queue()
        self.disconnected, self.beats = queue.Queue(), queue.Queue()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_disconnected(self):
        self.disconnected.put(True)

    def on_heartbeat(self):
        self.beats.put(True)


def connect(heartbeats=(0, 0)):
    address = [(host, int(port))]
    if kind == "websocket":
        connection = stomp.WSStompConnection(address, ws_path="/ws", heartbeats=heartbeats)
    elif version == "1.0":
        connection = stomp.StompConnection10(address)
    elif version == "1.1":
        connection = stomp.StompConnection11(address, heartbeats=heartbeats)
    else:
        connection = stomp.StompConnection12(address, heartbeats=heartbeats)
    listener = Listener()
    connection.set_listener("", listener)
    connection.connect("python", "secret", wait=True)
    return connection, listener


def receipt(listener, send):
    """Calls `send` with a receipt id and awaits its RECEIPT."""
    receipt_id = str(uuid.uuid4())
    send(receipt_id)
    got = listener.receipts.get(timeout=WAIT)
    assert got == receipt_id, f"{got} is not {receipt_id}"


def subscribe(connection, listener, destination, ack="auto", **headers):
    receipt(listener, lambda r: connection.subscribe(destination, id="1", ack=ack, headers={"receipt": r, **headers}))


def acknowledge(connection, frame, verb="ack"):
    """The headers that identify a message depend on the version."""
    headers = frame.headers
    method = getattr(connection, verb)
    if kind == "websocket" or version == "1.2":
        method(headers["ack"])
    elif version == "1.1":
        method(headers["message-id"], headers["subscription"])
    else:
        method(headers["message-id"])


def name(prefix):
    return f"/{prefix}/python-{uuid.uuid4()}"


def send_and_receive():
    connection, listener = connect()
    destination = name("topic")
    subscribe(connection, listener, destination)
    receipt(listener, lambda r: connection.send(destination, "héllo 😀", headers={"x-own": "value", "receipt": r}))
    frame = listener.messages.get(timeout=WAIT)
    connection.disconnect()
    return {"body": frame.body, "x-own": frame.headers["x-own"], "same": frame.headers["destination"] == destination}


def acks():
    connection, listener = connect()
    destination = name("queue")
    subscribe(connection, listener, destination, ack="client")
    connection.send(destination, "one")
    first = listener.messages.get(timeout=WAIT)
    if version != "1.0":
        acknowledge(connection, first, "nack")
        first = listener.messages.get(timeout=WAIT)
    acknowledge(connection, first)
    connection.send(destination, "two")
    second = listener.messages.get(timeout=WAIT)
    acknowledge(connection, second)
    connection.disconnect()
    return {"bodies": [first.body, second.body], "redelivered": first.headers["redelivered"]}


def transactions():
    connection, listener = connect()
    destination = name("queue")
    subscribe(connection, listener, destination)
    dropped = connection.begin()
    connection.send(destination, "aborted", transaction=dropped)
    connection.abort(dropped)
    kept = connection.begin()
    connection.send(destination, "committed", transaction=kept)
    connection.send(destination, "first")
    first = listener.messages.get(timeout=WAIT).body
    connection.commit(kept)
    second = listener.messages.get(timeout=WAIT).body
    connection.disconnect()
    return [first, second]


def booleans():
    """stomp.py sends booleans as True and False."""
    connection, listener = connect()
    destination = name("queue")
    subscribe(connection, listener, destination, durable=True, **{"auto-delete": False})
    connection.send(destination, "x", persistent=True)
    persistent = listener.messages.get(timeout=WAIT).headers.get("persistent")
    connection.disconnect()
    return persistent


def unsubscribe():
    connection, listener = connect()
    destination = name("topic")
    subscribe(connection, listener, destination)
    receipt(listener, lambda r: connection.unsubscribe(id="1", receipt=r))
    receipt(listener, lambda r: connection.send(destination, "no subscriber", headers={"receipt": r}))
    connection.disconnect()
    return listener.messages.qsize()


def heart_beats():
    connection, listener = connect(heartbeats=(300, 300))
    for _ in range(5):
        listener.beats.get(timeout=WAIT)
    receipt(listener, lambda r: connection.send(name("topic"), "still here", headers={"receipt": r}))
    connected = connection.is_connected()
    connection.disconnect()
    return connected


def error():
    connection, listener = connect()
    connection.send("/no-such-kind/x", "x")
    frame = listener.errors.get(timeout=WAIT)
    listener.disconnected.get(timeout=WAIT)
    return frame.headers["code"]


def disconnect_with_receipt():
    connection, listener = connect()
    receipt(listener, lambda r: connection.disconnect(receipt=r))
    listener.disconnected.get(timeout=WAIT)
    return True


scenarios = [send_and_receive, acks, transactions, booleans, unsubscribe, error, disconnect_with_receipt]
if version != "1.0":
    scenarios.append(heart_beats)
results = {}
for scenario in scenarios:
    try:
        results[scenario.__name__] = scenario()
    except Exception as problem:  # reported by the test
        results[scenario.__name__] = f"{type(problem).__name__}: {problem}"
print(json.dumps(results))
