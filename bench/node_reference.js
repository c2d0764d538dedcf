/* The rules of every figure as a bot in JavaScript would apply them: node_reference.js BODIES RULES.
 *
 * BODIES has the JSON of one event a line, RULES the configurations of the chain's modules. Answers "ready", how many
 * events are denied and the sum of their places, and what was found out about it; then a pass over all events for each
 * line on its standard input: seconds, denied, sum of places. */
"use strict";

const fs = require("fs");
const readline = require("readline");

/* Passes that make the compiled code hot, and passes that each way of matching is timed by. */
const WARM_PASSES = 2;
const TRIAL_PASSES = 2;

const bodies = fs.readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
const rules = JSON.parse(fs.readFileSync(process.argv[3], "utf8"));

const senders = new Set(rules.sender_list.users);
const domains = new Set(rules.link_domains.domains.map((domain) => domain.toLowerCase()));
const expressions = rules.keywords.patterns.map((pattern) => new RegExp(pattern, "i"));
const combined = new RegExp(rules.keywords.patterns.map((pattern) => `(?:${pattern})`).join("|"), "i");
/* The authority of a link. It is looked ahead at, so that a link inside it is found, too. */
const links = /https?:\/\/(?=([^\s/?#"'<>()[\],]*))/gi;

function matchesOneByOne(text) {
    for (const expression of expressions)
        if (expression.test(text))
            return true;
    return false;
}

function matchesCombined(text) {
    return combined.test(text);
}

function linksToListed(text) {
    links.lastIndex = 0;
    for (let link = links.exec(text); link; link = links.exec(text)) {
        let host = link[1].slice(link[1].lastIndexOf("@") + 1).split(":", 1)[0].toLowerCase();
        if (host.endsWith("."))
            host = host.slice(0, -1);
        for (let dot; ; host = host.slice(dot + 1)) {
            if (domains.has(host))
                return true;
            dot = host.indexOf(".");
            if (dot < 0)
                break;
        }
    }
    return false;
}

function judgeWith(matches) {
    return (event) => {
        if (senders.has(event.sender))
            return true;
        const { body, formatted_body: formattedBody } = event.content;
        if (typeof body === "string" && (matches(body) || linksToListed(body)))
            return true;
        return typeof formattedBody === "string" && linksToListed(formattedBody);
    };
}

function pass(judge) {
    let denied = 0;
    let places = 0;
    const start = process.hrtime.bigint();
    for (let index = 0; index < bodies.length; index++) {
        if (judge(JSON.parse(bodies[index]))) {
            denied++;
            places += index;
        }
    }
    return { seconds: Number(process.hrtime.bigint() - start) / 1e9, denied, places };
}

function leastSeconds(judge) {
    for (let index = 0; index < WARM_PASSES; index++)
        pass(judge);
    let least = Infinity;
    for (let index = 0; index < TRIAL_PASSES; index++)
        least = Math.min(least, pass(judge).seconds);
    return least;
}

const ways = [
    { name: "one expression after the other", judge: judgeWith(matchesOneByOne) },
    { name: "all expressions in one", judge: judgeWith(matchesCombined) },
];
for (const way of ways)
    way.seconds = leastSeconds(way.judge);
const [best, other] = ways.sort((left, right) => left.seconds - right.seconds);
const first = pass(best.judge);
const times = (other.seconds / best.seconds).toFixed(1);
console.log(`ready ${first.denied} ${first.places} Node ${process.version}, ${best.name}: ${other.name} takes ${times} times as long`);

readline.createInterface({ input: process.stdin }).on("line", () => {
    const done = pass(best.judge);
    console.log(`${done.seconds} ${done.denied} ${done.places}`);
});
