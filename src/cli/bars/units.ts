/** Numbers in the few characters that a progress line has for them. */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `31.4 MB`: decimal units as docker uses them, three digits. */
export function formatBytes(bytes: number): string {
  const scale = scaleOf(bytes);
  return `${scaled(bytes, scale)} ${scale.unit}`;
}

/** `12.3/31.4 MB`: both numbers in the unit of the second. */
export function formatPair(bytes: number, total: number): string {
  const scale = scaleOf(total);
  return `${scaled(bytes, scale)}/${scaled(total, scale)} ${scale.unit}`;
}

/** `4.21 MB/s` */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `12s`, `3m05s`, `2h10m`, at most six characters; `>99h` beyond. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m${twoDigits(whole % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 100 ? `${hours}h${twoDigits(minutes % 60)}m` : ">99h";
}

interface Scale {
  unit: (typeof UNITS)[number];
  divisor: number;
  decimals: number;
}

function scaleOf(bytes: number): Scale {
  let divisor = 1;
  let power = 0;
  // 999.5 and more would show as 1000.
  while (bytes / divisor >= 999.5 && power < UNITS.length - 1) {
    divisor *= 1000;
    power++;
  }
  const value = bytes / divisor;
  const decimals = power === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return { unit: UNITS[power] ?? "B", divisor, decimals };
}

function scaled(bytes: number, { divisor, decimals }: Scale): string {
  return (bytes / divisor).toFixed(decimals);
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
