// Objects, maps, strings, typed arrays and sorting, under a compiler that writes code as it goes.
class Vector {
    constructor(x, y) { this.x = x; this.y = y; }
    plus(other) { return new Vector(this.x + other.x, this.y + other.y); }
}

let seed = 12345;
const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff);

let sum = new Vector(0, 0);
for (let i = 0; i < 2000000; i++) sum = sum.plus(new Vector(i & 7, i & 3));
console.log(sum.x, sum.y);

const counts = new Map();
for (let i = 0; i < 300000; i++) {
    const word = 'w' + next() % 5003;
    counts.set(word, (counts.get(word) || 0) + 1);
}
const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
console.log(counts.size, sorted[0][0], sorted[0][1]);

const n = 120, a = new Float64Array(n * n), b = new Float64Array(n * n), c = new Float64Array(n * n);
for (let i = 0; i < n * n; i++) { a[i] = i % 13; b[i] = i % 7; }
for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
        let x = 0;
        for (let k = 0; k < n; k++) x += a[i * n + k] * b[k * n + j];
        c[i * n + j] = x;
    }
console.log(c.reduce((x, y) => x + y));

const text = JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ id: i, name: 'item ' + i, half: i / 2 })));
console.log(text.length, JSON.parse(text).filter((item) => /7$/.test(item.name)).length);

const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
console.log(fib(27));
