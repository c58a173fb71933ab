"""A plain class whose methods are tasks, as in one of the books; several names for the module."""

import ray as r
from ray import get, remote


class MailClient:
    def __init__(self, host):
        self.host = host

    @remote
    def send(self, to, *, subject="none"):
        return f"{self.host}: {subject} to {to}"

    def send_all(self, names):
        return get([self.send.remote(self, name, subject="hi") for name in names])


@r.remote(num_cpus=0.5)
class Box:
    def __init__(self):
        self.mails = []

    def put(self, mail, callback=None):
        self.mails.append(mail)
        if callback is not None:
            get(callback(len(self.mails)))
        return len(self.mails)


@remote
class Listener:
    def __init__(self):
        self.heard = []

    def hear(self, count):
        self.heard.append(count)

    def all(self):
        return self.heard


with r.init(num_cpus=3):
    box, listener = Box.remote(), Listener.remote()
    mails = MailClient("example").send_all(["a", "b"])
    get([box.put.remote(mail, listener.hear.remote) for mail in mails])
    print(mails, get(listener.all.remote()))
print(r.is_initialized())
