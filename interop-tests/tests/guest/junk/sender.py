"""Sends what no decent host sends to a guest: sender.py KIND SEED.

Says "sent" when all is out, and holds its connections until its standard input ends. It sends from an address
of its own (ATTACKER), which the other clients do not have.
"""

import ipaddress
import random
import socket
import ssl
import struct
import sys
import time

HOST, GUEST, ATTACKER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
FRAMES = 20_000
SYNS = 10_000
CONNECTIONS = 60

random_bytes = random.Random(int(sys.argv[2]))


def hardware_addresses():
    """Of tap0, and of the guest, which has been talked to before."""
    with open("/sys/class/net/tap0/address") as file:
        own = file.read().strip()
    with open("/proc/net/arp") as file:
        guest = next(line.split()[3] for line in file if line.startswith(GUEST + " "))
    return [bytes.fromhex(address.replace(":", "")) for address in (own, guest)]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(protocol, source, payload):
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0,
        ipaddress.IPv4Address(source).packed, ipaddress.IPv4Address(GUEST).packed,
    )
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def tcp(source, flags, sequence=0, acknowledged=0, payload=b"", port=None):
    port = port or random_bytes.randrange(1024, 65536)
    segment = struct.pack("!HHIIBBHHH", port, 443, sequence, acknowledged, 0x50, flags, 65535, 0, 0) + payload
    pseudo = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(GUEST).packed
    summed = checksum(pseudo + struct.pack("!BBH", 0, 6, len(segment)) + segment)
    return ipv4(6, source, segment[:16] + struct.pack("!H", summed) + segment[18:])


def sound_frame(own, guest):
    """A frame that some host could send."""
    ethernet = guest + own
    source = random_bytes.choice([ATTACKER, "10.0.0.77", "192.0.2.9"])
    number = random_bytes.getrandbits(32)
    kind = random_bytes.randrange(6)
    if kind == 0:
        addresses = [ipaddress.IPv4Address(address).packed for address in (source, GUEST)]
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, random_bytes.choice([1, 2])) + own + addresses[0]
        return b"\xff" * 6 + own + b"\x08\x06" + body + guest + addresses[1]
    if kind == 1:
        echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + random_bytes.randbytes(random_bytes.randrange(1400))
        return ethernet + b"\x08\x00" + ipv4(1, source, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])
    if kind == 2:
        reply = random_bytes.randbytes(random_bytes.randrange(600))
        return ethernet + b"\x08\x00" + ipv4(17, source, struct.pack("!HHHH", 67, 68, 8 + len(reply), 0) + reply)
    if kind == 3:
        flags = random_bytes.choice([0x02, 0x10, 0x11, 0x04, 0x12, 0x18, 0x3F, 0x00])
        data = random_bytes.randbytes(random_bytes.randrange(1400))
        return ethernet + b"\x08\x00" + tcp(source, flags, number, number, data)
    # A router's advertisement, and a neighbour's solicitation.
    kind, size = random_bytes.choice([(134, 12), (135, 20)])
    body = bytes([kind, 0, 0, 0]) + random_bytes.randbytes(size) + bytes([1, 1]) + own
    header = struct.pack("!IHBB", 0x60000000, len(body), 58, 255)
    link_local = bytes.fromhex("fe80" + "00" * 13 + "01")
    return b"\x33\x33\0\0\0\x01" + own + b"\x86\xdd" + header + link_local + bytes.fromhex("ff02" + "00" * 13 + "01") + body


def frames_out():
    with open("/sys/class/net/tap0/statistics/tx_packets") as file:
        return int(file.read())


def send_frames(frames):
    before, number = frames_out(), 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("tap0", 0))
        for number, frame in enumerate(frames):
            while True:
                try:
                    link.send(frame)
                    break
                except OSError:
                    # The guest has not taken the ones before yet.
                    time.sleep(0.001)
            if number % 64 == 63:
                time.sleep(0.002)
    # A few may be lost on the way, as on any network.
    assert frames_out() - before > number * 3 // 4, (before, frames_out(), number)


def junk_frames():
    own, guest = hardware_addresses()
    for _ in range(FRAMES):
        destination = random_bytes.choice([guest, b"\xff" * 6, b"\x33\x33\0\0\0\x01", random_bytes.randbytes(6)])
        kind = random_bytes.choice([b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", random_bytes.randbytes(2)])
        yield destination + own + kind + random_bytes.randbytes(random_bytes.randrange(1501))


def spoiled_frames():
    own, guest = hardware_addresses()
    for _ in range(FRAMES):
        frame = bytearray(sound_frame(own, guest))
        for _ in range(random_bytes.randrange(1, 9)):
            frame[random_bytes.randrange(len(frame))] ^= 1 << random_bytes.randrange(8)
        # Often it is cut as well.
        if random_bytes.random() < 0.3:
            del frame[random_bytes.randrange(14, len(frame) + 1):]
        # Whoever says by ARP that the other clients are elsewhere is believed, by any host, until they say better.
        if frame[12:14] != b"\x08\x06" or frame[28:32] != ipaddress.IPv4Address(HOST).packed:
            yield bytes(frame)


def opening_segments():
    own, guest = hardware_addresses()
    for _ in range(SYNS):
        network = random_bytes.choice([0x0A000000, 0xC6336400, random_bytes.getrandbits(24) << 8])
        source = str(ipaddress.IPv4Address((network | random_bytes.randrange(4, 255)) & 0xDFFFFFFF))
        yield guest + own + b"\x08\x00" + tcp(source, 0x02, random_bytes.getrandbits(32))


def connect():
    try:
        return socket.create_connection((GUEST, 443), timeout=10, source_address=(ATTACKER, 0))
    except OSError:
        # Refused: it has enough of this address.
        return None


def secure():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = connect()
    try:
        return connection and context.wrap_socket(connection)
    except OSError:
        return None


def say(connection, data):
    """Whether the other side still listens."""
    try:
        connection.sendall(data)
        return True
    except OSError:
        return False


def tls_garbage():
    for _ in range(CONNECTIONS * 3):
        if connection := connect():
            record = random_bytes.choice([b"\x16\x03\x01", b"\x17\x03\x03", b"\x80", b"\x16\xff\xff", b""])
            say(connection, record + random_bytes.randbytes(random_bytes.randrange(1, 20_000)))
            connection.close()


def silence():
    return [connect() for _ in range(CONNECTIONS)] + [secure() for _ in range(CONNECTIONS)]


REQUEST = (
    b"PUT /dav/calendars/ada/calendar/a.ics HTTP/1.1\r\nhost: 10.0.0.2\r\ncontent-type: text/calendar\r\n"
    b"content-length: 100000\r\nauthorization: Basic YWRhOndyb25n\r\n\r\nBEGIN:VCALENDAR\r\n"
)


def truncated_requests():
    held = []
    for number in range(CONNECTIONS * 3):
        if connection := secure():
            say(connection, REQUEST[:random_bytes.randrange(1, len(REQUEST))])
            if number % 3 == 0:
                held.append(connection)
            else:
                connection.close()
    return held


def slow_senders():
    held = [connection for connection in (secure() for _ in range(CONNECTIONS)) if connection]
    for at in range(40):
        for connection in held:
            say(connection, REQUEST[at:at + 1])
        time.sleep(0.1)
    return held


SENDERS = {
    "junk-frames": lambda: send_frames(junk_frames()),
    "spoiled-frames": lambda: send_frames(spoiled_frames()),
    "opening-segments": lambda: send_frames(opening_segments()),
    "tls-garbage": tls_garbage,
    "silence": silence,
    "truncated-requests": truncated_requests,
    "slow-senders": slow_senders,
}

held = SENDERS[sys.argv[1]]()
print("sent", flush=True)
sys.stdin.read()
