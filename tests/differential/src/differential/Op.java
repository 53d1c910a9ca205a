package differential;

/** One operation: what is printed of it, who does it, and how it is done on either side. */
final class Op {
  interface Deed {
    Object on(Cluster c) throws Exception;
  }

  final String name;
  final String who;
  final String text;
  final Deed deed;

  Op(String name, String who, String text, Deed deed) {
    this.name = name;
    this.who = who;
    this.text = text;
    this.deed = deed;
  }

  @Override
  public String toString() {
    return who + " " + name + "(" + text + ")";
  }
}
