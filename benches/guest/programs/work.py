# Objects, dictionaries, strings, regular expressions, JSON and big numbers.
import hashlib
import json
import re


class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None

    def insert(self, key):
        side = "left" if key < self.key else "right"
        child = getattr(self, side)
        if child is None:
            setattr(self, side, Node(key))
        else:
            child.insert(key)

    def depth(self):
        return 1 + max(n.depth() if n else 0 for n in (self.left, self.right))


seed = 12345
root = Node(1 << 30)
words = {}
for n in range(20000):
    seed = (seed * 1103515245 + 12345) % (1 << 31)
    root.insert(seed)
    word = "w%d" % (seed % 997)
    words[word] = words.get(word, 0) + 1
print(root.depth(), len(words), max(words.values()))

text = " ".join(sorted(words) * 20)
print(len(re.findall(r"\bw(\d)\1\d?\b", text)), sum(int(m.group(1)) for m in re.finditer(r"w(\d+)", text)))

data = [{"id": i, "name": "item %d" % i, "tags": [str(j) for j in range(i % 7)], "x": i / 7} for i in range(4000)]
print(hashlib.sha256(json.dumps(json.loads(json.dumps(data))).encode()).hexdigest())

a, b = 0, 1
for i in range(12000):
    a, b = b, a + b
print(len(str(a)))

sieve = bytearray([1]) * 300000
for i in range(2, 548):
    if sieve[i]:
        sieve[i * i :: i] = bytes(len(range(i * i, 300000, i)))
print(sum(sieve) - 2, sum(i * i % 7 for i in range(200000)))
