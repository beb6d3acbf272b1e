import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue } from "#src/serve/fair-queue.js";
import { networkOf } from "#src/serve/password-comparer.js";

interface Item {
  readonly address: string;
  readonly name: string;
  readonly number: number;
}

const LIMITS = { ofName: 4, ofAddress: 10, all: 20 };
const noneIsGone = (): boolean => false;
const drained = (queue: FairQueue<Item>): Item[] => {
  const items: Item[] = [];
  for (let item = queue.take(); item; item = queue.take()) items.push(item);
  return items;
};

describe("a fair queue", () => {
  it("gives all it took, each name's in order, and keeps its limits", () => {
    const asked = fc.array(
      fc.record({
        address: fc.constantFrom("a", "b", "c"),
        name: fc.constantFrom("x", "y", "z"),
      }),
    );
    fc.assert(
      fc.property(asked, (asks) => {
        const queue = new FairQueue<Item>(LIMITS, noneIsGone, () => {});
        const taken = asks
          .map((ask, number) => ({ ...ask, number }))
          .filter((item) => queue.add(item.address, item.name, item));
        const given = drained(queue);
        const of = (items: Item[], ask: { address: string; name: string }) =>
          items.filter(
            ({ address, name }) => address === ask.address && name === ask.name,
          );
        expect(given).toHaveLength(taken.length);
        for (const ask of asks) {
          expect(of(given, ask)).toEqual(of(taken, ask));
          expect(of(given, ask).length).toBeLessThanOrEqual(LIMITS.ofName);
        }
        expect(given.length).toBeLessThanOrEqual(LIMITS.all);
        if (asks.length <= LIMITS.ofName)
          expect(given).toHaveLength(asks.length);
      }),
    );
  });

  it("lets a newcomer wait for one item of each other address, and of each name at its own", () => {
    const queue = new FairQueue<Item>(LIMITS, noneIsGone, () => {});
    for (let number = 0; number < 4; number += 1) {
      queue.add("loud", "x", { address: "loud", name: "x", number });
      queue.add("near", "x", { address: "near", name: "x", number });
    }
    queue.add("near", "me", { address: "near", name: "me", number: 0 });
    const order = drained(queue);
    expect(order.findIndex(({ name }) => name === "me")).toBe(3);
  });

  it("passes over what nobody waits for, and has room for others then", () => {
    const gone = new Set<Item>();
    const told: Item[] = [];
    const queue = new FairQueue<Item>(
      LIMITS,
      (item) => gone.has(item),
      (item) => told.push(item),
    );
    const items = [0, 1, 2, 3].map((number) => ({
      address: "a",
      name: "x",
      number,
    }));
    for (const item of items) expect(queue.add("a", "x", item)).toBe(true);
    const late = { address: "a", name: "x", number: 4 };
    expect(queue.add("a", "x", late)).toBe(false);
    for (const item of items.slice(0, 3)) gone.add(item);
    expect(queue.add("a", "x", late)).toBe(true);
    gone.add(items[3] as Item);
    expect(drained(queue)).toEqual([late]);
    expect(told).toEqual(items);
  });
});

it.each([
  ["", ""],
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["fe80::", "fe80:0:0:0"],
])("one client's network at %j is %j", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
