/** A binary heap of values by number, the smallest first. Used by the simulated cluster, whose clock it is. */
export class Heap {
  keys = [];
  values = [];

  get size() {
    return this.keys.length;
  }

  /** The smallest key. */
  get first() {
    return this.keys[0];
  }

  push(key, value) {
    let at = this.keys.length;
    this.keys.push(key);
    this.values.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.keys[parent] <= key) break;
      this.move(parent, at);
      at = parent;
    }
    this.keys[at] = key;
    this.values[at] = value;
  }

  /** @returns the value with the smallest key */
  pop() {
    const value = this.values[0];
    const [key, last] = [this.keys.pop(), this.values.pop()];
    if (this.keys.length === 0) return value;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.keys.length) break;
      if (child + 1 < this.keys.length && this.keys[child + 1] < this.keys[child]) child += 1;
      if (this.keys[child] >= key) break;
      this.move(child, at);
      at = child;
    }
    this.keys[at] = key;
    this.values[at] = last;
    return value;
  }

  move(from, to) {
    this.keys[to] = this.keys[from];
    this.values[to] = this.values[from];
  }
}
