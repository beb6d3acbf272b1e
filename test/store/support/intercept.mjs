// Sees every call by which a store's session changes a filesystem or flushes
// it: Node's own, and those made in the C library.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { loadKoffi } from "#store/native/libraries.js";

const AT_FDCWD = -100;

/**
 * Must run before the store is loaded. Operations are
 * `{ op: "mkdir" | "create" | "remove", path }`, `{ op: "write", path, data }`
 * (base64), `{ op: "rename", from, to }`, `{ op: "symlink", path, target }`,
 * `{ op: "exchange", from, to }`, `{ op: "flush", path }` and `{ op: "flushAll" }`.
 * @param before called with each operation that is about to be made
 * @param after called with each that was; with flushes when they begin, because
 * they cover what was done until then
 * @param options `exchange: false`: as if the filesystem could not exchange two names
 */
export function intercept(before, after, { exchange = true } = {}) {
  const made = (operation, call) => {
    before(operation);
    const result = call();
    after(operation);
    return result;
  };
  interceptNode(made, after);
  interceptLibrary(before, after, exchange);
}

function interceptNode(made, after) {
  const original = { ...fs };
  const files = new Map();
  const paths = (name, operation) => {
    fs[`${name}Sync`] = (...args) =>
      made(operation(...args), () => original[`${name}Sync`](...args));
  };
  const path = (op) => (path) => ({ op, path: resolve(String(path)) });
  paths("mkdir", path("mkdir"));
  paths("unlink", path("remove"));
  paths("rmdir", path("remove"));
  paths("rename", (from, to) => ({ op: "rename", from, to }));
  paths("symlink", (target, path) => ({ op: "symlink", path, target }));
  fs.openSync = (file, flags, mode) => {
    if (!String(flags).startsWith("wx")) {
      return original.openSync(file, flags, mode);
    }
    const fd = made(path("create")(file), () =>
      original.openSync(file, flags, mode),
    );
    files.set(fd, file);
    return fd;
  };
  fs.closeSync = (fd) => {
    files.delete(fd);
    original.closeSync(fd);
  };
  fs.writeSync = (fd, bytes, ...rest) => {
    const written = original.writeSync(fd, bytes, ...rest);
    const file = files.get(fd);
    if (file === undefined) return written;
    const [start = 0] = rest;
    const data = bytes.subarray(start, start + written).toString("base64");
    after({ op: "write", path: resolve(file), data });
    return written;
  };
  // A file that is written piece by piece, and flushed when it is whole.
  fs.write[promisify.custom] = async (fd, bytes, start, length, at) => {
    const bytesWritten = original.writeSync(fd, bytes, start, length, at);
    const file = files.get(fd);
    if (file !== undefined) {
      const data = bytes.subarray(start, start + bytesWritten);
      after({
        op: "write",
        path: resolve(file),
        data: data.toString("base64"),
      });
    }
    return { bytesWritten, buffer: bytes };
  };
  fs.fsync[promisify.custom] = async (fd) => {
    const file = files.get(fd);
    if (file !== undefined) after({ op: "flush", path: resolve(file) });
    original.fsyncSync(fd);
  };
  fs.promises.open = (
    (openPromise) =>
    async (file, ...rest) => {
      const handle = await openPromise(file, ...rest);
      const sync = handle.sync.bind(handle);
      handle.sync = () => {
        after({ op: "flush", path: resolve(file) });
        return sync();
      };
      return handle;
    }
  )(fs.promises.open);
  syncBuiltinESMExports();
}

function interceptLibrary(before, after, exchange) {
  const koffi = loadKoffi(); // what the store binds its calls with
  const { load } = koffi;
  koffi.load = (...args) => {
    const library = load(...args);
    return {
      func(definition) {
        const call = library.func(definition);
        if (definition.includes("unlinkat(")) return unlinkat(call);
        if (definition.includes("renameat2(")) return renameat2(call);
        if (definition.includes("syncfs(")) return syncfs(call);
        return call;
      },
    };
  };

  function unlinkat(call) {
    return (directory, name, flags) => {
      const operation = { op: "remove", path: pathOf(directory, name) };
      before(operation);
      const result = call(directory, name, flags);
      if (result === 0) after(operation);
      return result;
    };
  }

  function renameat2(call) {
    // An unknown flag is refused as the known one is by filesystems without it.
    if (!exchange) return (...args) => call(...args.slice(0, 4), 1 << 30);
    return (fromDirectory, from, toDirectory, to, flags) => {
      const operation = {
        op: "exchange",
        from: pathOf(fromDirectory, from),
        to: pathOf(toDirectory, to),
      };
      before(operation);
      const result = call(fromDirectory, from, toDirectory, to, flags);
      if (result === 0) after(operation);
      return result;
    };
  }

  function syncfs(call) {
    return {
      async(fd, done) {
        after({ op: "flushAll" });
        call.async(fd, done);
      },
    };
  }
}

function pathOf(directory, name) {
  const text = Buffer.from(name.subarray(0, name.indexOf(0))).toString();
  return directory === AT_FDCWD
    ? resolve(text)
    : join(fs.readlinkSync(`/proc/self/fd/${directory}`), text);
}
