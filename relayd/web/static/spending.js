// @ts-check
/** What a project spends, in few words: `1.24 M tokens · $3.10 · 12 k/min · 62 % of budget`. */

/** @typedef {{tokens: number, tokens_per_minute?: number, cost?: number, currency?: string, cost_complete?: boolean}} Spending */
/** @typedef {{used: number, budget: number, share: number}} Share */

const STALE = 60_000; // Milliseconds: who is told nothing for so long does not know how fast it goes.

const NUMBERS = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** A number as a person says it: `950`, `12.3 k`, `1.24 M`. @param {number} number */
export function short(number) {
  return NUMBERS.format(number).replace(/([A-Z])$/, (unit) => ` ${unit === "K" ? "k" : unit}`);
}

/** @param {number} amount @param {string} currency */
export function money(amount, currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).format(amount);
  } catch {
    return `${amount.toFixed(2)} ${currency}`; // Points, credits: what no standard knows.
  }
}

/** How much of the budget is used that is nearest to its end, 1 is all; null where there is none. @param {Record<string, Share>} budget */
export function share(budget) {
  const shares = Object.values(budget).map((one) => one.share);
  return shares.length ? Math.max(...shares) : null;
}

/** @param {{spending: Spending | null, budget: Record<string, Share>, spentAt: number}} model @param {number} now Milliseconds. */
export function summary({ spending, budget, spentAt }, now) {
  const parts = [];
  if (spending) {
    const { tokens, tokens_per_minute: rate, cost, currency = "", cost_complete: whole } = spending;
    parts.push(`${short(tokens)} tokens`);
    if (cost !== undefined) parts.push(`${whole ? "" : "at least "}${money(cost, currency)}`);
    if (rate !== undefined && now - spentAt < STALE) parts.push(`${short(rate)}/min`);
  }
  const used = share(budget);
  if (used !== null) parts.push(`${Math.floor(used * 100)} % of budget`);
  return parts.join(" · ");
}
