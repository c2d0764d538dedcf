"use strict";

fetch("/console/session")
    .then((answer) => answer.json())
    .then((session) => {
        document.getElementById("state").textContent = session.open ? "open" : "closed: log in";
    });
