"""Writes vectors.json, which TestPythonVectors reads, and checks answers.json.

    python -m venv venv && venv/bin/pip install fastavro msgpack 'protobuf' grpcio-tools
    venv/bin/python vectors.py write      # vectors.json, by independent libraries
    go test ./host/codec -run TestPythonVectors -answers   # answers.json
    venv/bin/python vectors.py check      # reads what this codec wrote
"""
import base64, io, json, os, pathlib, random, subprocess, sys, tempfile

import fastavro
import msgpack

here = pathlib.Path(__file__).parent
AVRO = json.loads((here / "all.avsc").read_text())
PROTO = here / "all.proto"


def proto_class():
    from grpc_tools import protoc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "set.pb")
        assert protoc.main(["protoc", f"-I{here}", "--include_imports", f"--descriptor_set_out={out}", str(PROTO)]) == 0
        data = pathlib.Path(out).read_bytes()
    s = descriptor_pb2.FileDescriptorSet.FromString(data)
    pool = descriptor_pool.DescriptorPool()
    for f in s.file:
        pool.Add(f)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vectors.All"))


def avro_value(r, depth=0):
    text = lambda: "".join(r.choice("aZ9 \u00e9\u20ac\U0001f600") for _ in range(r.randrange(40)))
    return {
        "i": r.choice([0, -1, 2**31 - 1, -(2**31), r.randrange(-1000, 1000)]),
        "l": r.choice([0, 2**63 - 1, -(2**63), r.getrandbits(40)]),
        "f": r.choice([0.0, 1.5, -0.25, 1e10]), "d": r.choice([0.0, 0.1, -1e300, 3.5]),
        "b": r.randbytes(r.randrange(20)), "s": text(), "ok": r.random() < 0.5,
        "x": r.randbytes(4), "e": r.choice(["RED", "GREEN", "BLUE"]),
        "a": [text() for _ in range(r.choice([0, 1, 20]))],
        "m": {text() or "k": r.randrange(100) for _ in range(r.choice([0, 3]))},
        "u": r.choice([None, 5, "text", 2.5]),
        "next": avro_value(r, depth + 1) if depth < 3 and r.random() < 0.5 else None,
    }


def proto_value(cls, r, depth=0):
    m = cls()
    text = lambda: "".join(r.choice("aZ9 \u00e9\u20ac\U0001f600") for _ in range(r.randrange(40)))
    m.i32 = r.choice([0, -1, 2**31 - 1, -(2**31)]); m.i64 = r.choice([0, -(2**63), 2**63 - 1]); m.u32 = r.choice([0, 2**32 - 1])
    m.u64 = r.choice([0, 2**64 - 1]); m.s32 = r.choice([0, -1, 2**31 - 1, -(2**31)]); m.s64 = r.choice([0, -(2**63), 77])
    m.f32 = r.choice([0, 2**32 - 1]); m.f64 = r.choice([0, 2**64 - 1]); m.sf32 = r.choice([0, -5]); m.sf64 = r.choice([0, -(2**63)])
    m.f = r.choice([0.0, 1.5]); m.d = r.choice([0.0, 0.1]); m.ok = r.random() < 0.5; m.s = text(); m.b = r.randbytes(r.randrange(9))
    m.color = r.choice([0, 1, 2])
    if r.random() < 0.5: m.opt = r.choice([0, 7])
    m.packed.extend(r.randrange(-500, 500) for _ in range(r.choice([0, 1, 30])))
    m.loose.extend(r.randrange(500) for _ in range(r.choice([0, 3])))
    m.texts.extend(text() for _ in range(r.choice([0, 2])))
    for _ in range(r.choice([0, 3])): m.by_name[text()] = r.randrange(100)
    for _ in range(r.choice([0, 3])): m.by_id[r.randrange(-9, 9)].s = text()
    if r.random() < 0.5: m.left = text()
    else: m.right = r.randrange(9)
    if depth < 3 and r.random() < 0.5: m.next.CopyFrom(proto_value(cls, r, depth + 1))
    return m


def plain(m):
    """A message as this codec shows it."""
    out = {}
    for f in m.DESCRIPTOR.fields:
        v = getattr(m, f.name)
        if f.message_type and f.message_type.GetOptions().map_entry:
            vf = f.message_type.fields_by_name["value"]
            out[f.name] = {str(k): plain(x) if vf.message_type else x for k, x in v.items()}
        elif f.is_repeated:
            out[f.name] = list(v)
        elif f.has_presence:
            if m.HasField(f.name): out[f.name] = plain(v) if f.message_type else v
        elif f.enum_type:
            out[f.name] = f.enum_type.values_by_number[v].name
        else:
            out[f.name] = v
    return out


def b64(b): return base64.b64encode(b).decode()


def write():
    r = random.Random(20261124)
    cls = proto_class()
    out = {"avro": [], "protobuf": []}
    schema = fastavro.parse_schema(AVRO)
    for _ in range(40):
        v = avro_value(r); f = io.BytesIO(); fastavro.schemaless_writer(f, schema, v)
        out["avro"].append({"wire": b64(f.getvalue()), "msgpack": b64(msgpack.packb(v))})
        m = proto_value(cls, r)
        out["protobuf"].append({"wire": b64(m.SerializeToString()), "msgpack": b64(msgpack.packb(plain(m)))})
    (here / "vectors.json").write_text(json.dumps(out, indent=0) + "\n")


def check():
    vectors = json.loads((here / "vectors.json").read_text()); answers = json.loads((here / "answers.json").read_text())
    cls, schema, n = proto_class(), fastavro.parse_schema(AVRO), 0
    same = lambda a, b: msgpack.packb(a) == msgpack.packb(b)
    for v, a in zip(vectors["avro"], answers["avro"], strict=True):
        want = fastavro.schemaless_reader(io.BytesIO(base64.b64decode(v["wire"])), schema)
        assert same(want, fastavro.schemaless_reader(io.BytesIO(base64.b64decode(a)), schema)), n; n += 1
    for v, a in zip(vectors["protobuf"], answers["protobuf"], strict=True):
        assert cls.FromString(base64.b64decode(v["wire"])) == cls.FromString(base64.b64decode(a)), n; n += 1
    print(n, "vectors agree")


{"write": write, "check": check}[sys.argv[1]]()
