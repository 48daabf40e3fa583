"use strict";
// Every page is complete without this script; it keeps what is shown live, and offers what changes something.
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  const put = (element, text) => {
    if (element && element.textContent !== text) {
      element.textContent = text;
      return true;
    }
    return false;
  };

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };

  // What a route answers: its text, and whether it did what was asked.
  const asked = async (method, address) => {
    try {
      const answer = await fetch(address, {method, headers: {Accept: "application/json, text/plain"}});
      const text = (await answer.text()).trim();
      return {ok: answer.ok, status: answer.status, text: text || answer.statusText};
    } catch (error) {
      return {ok: false, status: 0, text: `The node does not answer (${error.message}).`};
    }
  };

  // A page or a part of one from the node; null where it does not answer with one.
  const fetched = async (address) => {
    const answer = await fetch(address).catch(() => null);
    return answer && answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  };

  // Calls `shown` while the page can be seen and `hidden` while it cannot: a hidden page asks for nothing.
  const whileSeen = (shown, hidden) => {
    const look = () => (document.hidden ? hidden() : shown());
    document.addEventListener("visibilitychange", look);
    addEventListener("pagehide", hidden);
    addEventListener("pageshow", look);
  };

  const showRow = (row) => {
    const line = one(`[data-node="${Number(row.id)}"]`);
    if (!line) return false;
    line.className = row.level;
    one("[data-leads]", line).hidden = !row.leads;
    for (const cell of all("[data-cell]", line)) put(cell, row.cells[cell.dataset.cell]);
    return true;
  };

  const showNotes = (rows) => {
    const list = one("[data-notes]");
    const notes = rows.flatMap((row) => row.notes.map((note) => [row, note]));
    const text = notes.map(([row, note]) => row.name + note).join();
    if (list.dataset.told === text) return;
    list.dataset.told = text;
    list.replaceChildren(...notes.map(([row, note]) =>
      make("li", `note ${row.level}`, make("b", "", `Node ${row.name}:`), ` ${note}`)));
  };

  // Who may be handed leadership: a voter that follows and answers.
  const showSuccessors = (overview) => {
    const select = one("[data-successors]");
    if (!select) return;
    const able = overview.rows.filter((row) => row.can_lead);
    const known = all("option", select).map((option) => option.value).join();
    if (known !== able.map((row) => row.id).join()) {
      const chosen = select.value;
      select.replaceChildren(...able.map((row) => new Option(`node ${row.name}`, row.id)));
      if (able.some((row) => String(row.id) === chosen)) select.value = chosen;
    }
    const button = one("[data-transfer]");
    button.disabled = able.length === 0 || overview.leader === null;
    if (overview.leader !== null) button.dataset.to = `/v1/ctrl/trigger_transfer_leader?node=${overview.leader}`;
  };

  const showOverview = (overview) => {
    const headline = one("[data-headline]");
    put(headline, overview.headline);
    headline.className = `headline ${overview.level}`;
    const known = all("[data-node]").length;
    // Nodes that came or went change more than cells.
    if (!overview.rows.every(showRow) || known !== overview.rows.length) location.reload();
    showNotes(overview.rows);
    showSuccessors(overview);
  };

  // Hears of the nodes while the page can be seen: `told` each overview that is another than the last, `live`
  // whenever the node was heard, `lost` when it is not.
  const follow = ({told, live = () => {}, lost = () => {}}) => {
    let source = null;
    const close = () => {
      if (source) source.close();
      source = null;
    };
    const again = async () => {
      const who = await asked("GET", "/v1/whoami");
      if (who.ok && JSON.parse(who.text).role === null) return location.reload();
      setTimeout(() => document.hidden || open(), 2000);
    };
    const open = () => {
      if (source) return;
      source = new EventSource("/ui/events");
      source.addEventListener("cluster", (event) => {
        told(JSON.parse(event.data));
        live();
      });
      source.addEventListener("same", live);
      source.addEventListener("error", () => {
        lost();
        // A refusal ends the source for good: the node may be starting, or the session is over.
        if (source && source.readyState === EventSource.CLOSED) {
          close();
          again();
        }
      });
    };
    whileSeen(open, close);
    if (!document.hidden) open();
  };

  const liveCluster = () => {
    const label = one("[data-live]");
    if (!label) return;
    const say = (text, lost) => {
      label.hidden = false;
      label.classList.toggle("lost", lost);
      put(label, text);
    };
    follow({
      told: showOverview,
      live: () => say("Live, twice a second.", false),
      lost: () => say(`Not connected since ${new Date().toLocaleTimeString()}: what is shown is old.`, true),
    });
  };

  // What tells of profiles is fetched anew when the list of any node has changed; a choice in it stays, and the focus.
  const liveProfiles = () => {
    const places = all("[data-profiles]");
    if (!places.length) return;
    const sign = (element) => element.getAttribute("href") || `${element.name}=${element.value}`;
    const inside = (selector) => places.flatMap((place) => all(selector, place));
    const replace = (page) => {
      const chosen = inside("input:checked").map(sign), focused = inside(":focus").map(sign);
      all("[data-profiles]", page).forEach((fresh, at) => {
        // Who points at a row, or reads it, is to find it where it was.
        if (fresh.innerHTML !== places[at].innerHTML) places[at].replaceChildren(...fresh.childNodes);
      });
      for (const input of inside("input")) input.checked = chosen.includes(sign(input));
      for (const element of inside("a, input, button")) if (focused.includes(sign(element))) element.focus();
    };
    let shown = null, wanted = null, asking = false;
    const refresh = async () => {
      if (asking || shown === wanted) return;
      asking = true;
      const next = wanted;
      const page = await fetched(location.href);
      if (page) {
        replace(page);
        shown = next;
      }
      asking = false;
    };
    follow({
      told: (overview) => {
        wanted = overview.rows.map((row) => `${row.id} ${row.profiles}`).join();
      },
      live: refresh,
    });
  };

  const liveCharts = () => {
    const place = one("[data-charts]");
    if (!place) return;
    let timer = 0;
    const refresh = async () => {
      const page = await fetched(place.dataset.charts);
      if (page) place.replaceChildren(...page.body.childNodes);
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
    };
    const start = () => {
      if (!timer) timer = setInterval(refresh, 10000);
    };
    whileSeen(() => {
      refresh();
      start();
    }, stop);
    start();
  };

  const saying = (place, text, bad) => {
    place.classList.toggle("bad", Boolean(bad));
    put(place, text);
  };

  const takeProfile = () => {
    const form = one("[data-take]");
    if (!form) return;
    const said = one("[data-said]", form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = new FormData(form);
      const kind = given.get("kind");
      const params = new URLSearchParams({kind: kind === "wall" ? "cpu" : kind});
      const take = (...names) => names.forEach((name) => given.get(name) && params.set(name, given.get(name)));
      take("seconds", "name", "node");
      if (kind === "cpu") take("frequency", "by", "native");
      if (kind === "heap") take("mode");
      if (kind === "wall") {
        take("frequency");
        params.set("mode", "wall");
      }
      const button = one("button", form);
      button.disabled = true;
      const answer = await asked("POST", `/debug/profiles?${params}`);
      button.disabled = false;
      if (!answer.ok) return saying(said, answer.text, true);
      const node = given.get("node");
      const where = node && node !== "all" ? `?node=${encodeURIComponent(node)}` : "";
      location.assign(`/ui/profiles/${encodeURIComponent(JSON.parse(answer.text).id)}${where}`);
    });
  };

  // Draws on by itself between two answers, so that the bar moves while the node is left alone.
  const showProgress = () => {
    const place = one("[data-running]");
    if (!place) return;
    const bar = one("progress", place), left = one("[data-remaining]", place);
    const seconds = Number(place.dataset.seconds);
    const began = performance.now() - 1000 * Number(place.dataset.elapsed);
    const address = place.dataset.running + (place.dataset.running.includes("?") ? "&" : "?") + "format=json";
    const show = () => {
      const elapsed = Math.min(seconds, (performance.now() - began) / 1000);
      bar.value = elapsed;
      put(left, elapsed < seconds ? `${Math.ceil(seconds - elapsed)} s to go` : "Being put together");
    };
    // Once a second, and more often when it is about to be there.
    const pause = () => {
      const left = 1000 * seconds - (performance.now() - began);
      return left > 0 ? Math.min(1000, Math.max(100, left)) : 250;
    };
    const look = async () => {
      const answer = await asked("GET", address);
      if (answer.status === 202) return setTimeout(look, pause());
      clearInterval(drawing);
      const page = await fetched(location.href);
      if (!page) return location.reload();
      document.title = page.title;
      one("main").replaceChildren(...one("main", page).childNodes);
      begin();
    };
    const drawing = setInterval(show, 200);
    show();
    setTimeout(look, pause());
  };

  // A bundle goes on without the page, which takes up the last one when it comes.
  const makeBundle = () => {
    const form = one("[data-bundle]");
    if (!form) return;
    const said = one("[data-said]", form), bar = one("progress", form), file = one("[data-file]", form);
    const start = one("button.main", form), end = one("[data-end]", form);
    const address = (id) => `/debug/bundle/${encodeURIComponent(id)}`;
    const show = (told) => {
      const runs = told !== null && told.state === "running";
      start.disabled = runs;
      end.hidden = bar.hidden = !runs;
      file.hidden = told === null || told.state !== "done";
      if (told === null) return saying(said, "", false);
      bar.value = told.progress;
      const failed = told.failed ? `, ${told.failed} failed` : "";
      saying(said, told.error || `${told.items} items${failed}, ${Math.ceil(told.bytes / 1024)} KiB`, told.error);
      one("a", file).href = address(told.id);
      end.dataset.id = told.id;
      if (runs) setTimeout(look, 500);
    };
    const look = async () => {
      const answer = await asked("GET", "/debug/bundle");
      if (!answer.ok) return saying(said, answer.text, true);
      show(JSON.parse(answer.text)[0] || null);
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const given = new FormData(form), duration = Number(given.get("duration"));
      const interval = Math.max(1, Math.min(10, duration / 3));
      const profiles = given.get("profiles") === "true";
      const answer = await asked("POST", `/debug/bundle?${new URLSearchParams({duration, interval, profiles})}`);
      if (!answer.ok) return saying(said, answer.text, true);
      show(JSON.parse(answer.text));
    });
    end.addEventListener("click", async () => {
      const answer = await asked("DELETE", address(end.dataset.id));
      if (!answer.ok) saying(said, answer.text, true);
    });
    look();
  };

  const renaming = () => {
    const form = one("[data-rename]");
    if (!form) return;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const params = new URLSearchParams({name: one("[name=name]", form).value});
      if (form.dataset.node) params.set("node", form.dataset.node);
      const answer = await asked("POST", `${form.dataset.rename}?${params}`);
      // The page may be at the old name.
      const where = form.dataset.node ? `?node=${encodeURIComponent(form.dataset.node)}` : "";
      if (answer.ok) return location.assign(`/ui/profiles/${JSON.parse(answer.text).id}${where}`);
      saying(one("[data-said]", form), answer.text, true);
    });
  };

  // What some of several nodes did not do, of an answer that tells of each.
  const missing = (text) => {
    const told = text.startsWith("{") ? JSON.parse(text) : {};
    const failed = (told.nodes || []).filter((node) => node.error);
    return failed.map((node) => `Not on node ${node.name}: ${node.error}`).join(" ");
  };

  // Buttons that ask first open a dialog; those that act say what became of it beside them.
  const acting = () => {
    for (const button of all("[data-confirm]")) {
      const dialog = document.getElementById(button.dataset.confirm);
      button.addEventListener("click", () => {
        saying(one("[data-said]", dialog), "", false);
        dialog.showModal();
      });
    }
    for (const button of all("[data-close]")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
    for (const button of all("[data-act]")) {
      const said = one("[data-said]", button.parentNode);
      button.addEventListener("click", async () => {
        button.disabled = true;
        saying(said, "Asking…", false);
        const choice = one("select", button.closest("dialog") || button);
        const extra = choice ? `&${choice.name}=${encodeURIComponent(choice.value)}` : "";
        const answer = await asked(button.dataset.act, button.dataset.to + extra);
        button.disabled = false;
        const complaint = answer.ok ? missing(answer.text) : answer.text;
        if (complaint) return saying(said, complaint, true);
        if (button.dataset.then) return location.assign(button.dataset.then);
        saying(said, button.dataset.done || "Done.", false);
      });
    }
  };

  // A picture takes the height it needs, also when its lines wrap anew, up to what the style sheet allows;
  // of a taller one the end is seen, where its root stands.
  const fitPictures = () => {
    for (const frame of all("iframe.picture")) {
      const fit = () => {
        const root = frame.contentDocument && frame.contentDocument.documentElement;
        const height = root ? root.getBoundingClientRect().height : 0;
        if (height > 40) frame.style.height = `${Math.ceil(height) + 4}px`;
      };
      const watch = () => {
        fit();
        const root = frame.contentDocument && frame.contentDocument.documentElement;
        if (!root) return;
        new ResizeObserver(fit).observe(root);
        frame.contentWindow.scrollTo(0, root.getBoundingClientRect().height);
      };
      frame.addEventListener("load", watch);
      fit();
    }
  };

  // What the page has now; again when its content is another.
  const begin = () => {
    for (const element of all(".needs-script")) element.hidden = false;
    takeProfile();
    showProgress();
    makeBundle();
    renaming();
    acting();
    fitPictures();
  };

  begin();
  // What asks the node for more waits until the page that came is seen.
  requestAnimationFrame(() => setTimeout(() => {
    liveCluster();
    liveProfiles();
    liveCharts();
  }));
})();
